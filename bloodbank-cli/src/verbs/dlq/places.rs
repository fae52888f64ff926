//! The dead-letter queues that are meant: on an open bus, or behind the gateway that has it.

use bloodbank_core::{
    DeadLetters, ErrorKind,
    dead_letter::{Mode, Report},
    transport::topology::dead_letter_queue,
};
use bloodbank_gateway::{DeadLetterView, SweepReport};

use super::{select::Select, sweep::Action};
use crate::{door::Door, fault::Fault};

pub(super) struct Places {
    pub(super) door: Door,
    /// The queues of subscribers.
    pub(super) queues: Vec<String>,
    /// They were named, so each must exist.
    pub(super) named: bool,
}

/// The letters of a subscriber that were asked for.
pub(super) struct Parked {
    /// The queue of the subscriber.
    pub(super) queue: String,
    pub(super) letters: Vec<DeadLetterView>,
}

impl Parked {
    /// The queue that holds them.
    pub(super) fn name(&self) -> String {
        dead_letter_queue(&self.queue)
    }
}

impl Places {
    /// Every queue that is there, with its letters that pass; with their messages where they are wanted.
    pub(super) async fn letters(&self, select: &Select, whole: bool) -> Result<Vec<Parked>, Fault> {
        let mut found = Vec::new();
        for queue in &self.queues {
            let letters = match &self.door {
                Door::Bus(bus) => match DeadLetters::of(bus, queue.as_str()).list(&select.filter()?).await {
                    Ok(letters) => {
                        let letter = if whole { DeadLetterView::whole } else { DeadLetterView::summary };
                        Some(letters.iter().map(letter).collect())
                    }
                    Err(error) if error.kind() == ErrorKind::Topology && !self.named => None,
                    Err(error) => return Err(error.into()),
                },
                Door::Gateway(gateway) => match gateway.dead_letters(queue, &select.query(), whole).await? {
                    None if self.named => {
                        return Err(Fault::failed(format!(
                            "no subscriber has a queue `{queue}`; `topology` shows them"
                        )));
                    }
                    letters => letters,
                },
            };
            // An app that never ran has no queues yet.
            found.extend(letters.map(|letters| Parked { queue: queue.clone(), letters }));
        }
        Ok(found)
    }

    /// Does it to the letters of a queue that pass.
    pub(super) async fn sweep(
        &self,
        queue: &str,
        select: &Select,
        mode: Mode,
        action: Action,
    ) -> Result<SweepReport, Fault> {
        let report: Report = match &self.door {
            Door::Gateway(gateway) => {
                return gateway.sweep(queue, action.word(), &select.query(), mode == Mode::DryRun).await;
            }
            Door::Bus(bus) => {
                let letters = DeadLetters::of(bus, queue);
                match action {
                    Action::Redrive => letters.redrive(&select.filter()?, mode).await?,
                    Action::Discard => letters.discard(&select.filter()?, mode).await?,
                }
            }
        };
        Ok(report.into())
    }

    pub(super) async fn close(&self) {
        self.door.close().await;
    }
}
