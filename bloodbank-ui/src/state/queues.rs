//! The queues of the bus, and who is connected to it.

use bloodbank_client::QueueEntry;
use chrono::{DateTime, TimeDelta, Utc};

use super::Selection;
use crate::message::QueueReport;

/// How often they are looked at, while somebody looks.
const PAUSE: TimeDelta = TimeDelta::seconds(5);

/// The queues of the bus.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    pub(crate) report: QueueReport,
    pub(crate) selection: Selection,
    /// Whether they are being asked for.
    pub(crate) is_loading: bool,
    /// Why they are not known.
    pub(crate) fault: Option<String>,
    /// When they were asked for last.
    asked: Option<DateTime<Utc>>,
}

impl Queues {
    /// Begins to ask for them; `false`: somebody asks already.
    pub(crate) fn ask(&mut self, now: DateTime<Utc>) -> bool {
        if self.is_loading {
            return false;
        }
        self.asked = Some(now);
        self.is_loading = true;
        true
    }

    /// Whether what is shown is old.
    pub(crate) fn is_old(&self, now: DateTime<Utc>) -> bool {
        self.asked.is_none_or(|asked| now - asked >= PAUSE)
    }

    pub(crate) fn show(&mut self, result: Result<QueueReport, String>) {
        self.is_loading = false;
        match result {
            Ok(mut report) => {
                report.queues.retain(|queue| !queue.is_of_all());
                let name = self.selected().map(|queue| queue.status.name.clone());
                let place = report.queues.iter().position(|queue| Some(&queue.status.name) == name.as_ref());
                self.selection.index = place.unwrap_or(0);
                self.report = report;
                self.fault = None;
            }
            Err(fault) => self.fault = Some(fault),
        }
    }

    pub(crate) fn selected(&self) -> Option<&QueueEntry> {
        self.report.queues.get(self.selection.index)
    }
}
