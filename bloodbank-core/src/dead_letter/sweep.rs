//! Sweeps through the dead letters of a queue.

use std::sync::Arc;

use futures_util::{StreamExt, stream::FuturesOrdered};

use super::{DeadLetter, DeadLetters, Filter};
use crate::{
    error::{Error, ErrorKind, Result},
    message::{Outgoing, names},
    publish::Bus,
    transport::{BoxQueueBrowser, Settlement},
};

/// The mode of a sweep: apply it, or only report what it would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Changes nothing, and reports what would be done.
    #[default]
    DryRun,
    /// Redrives or discards the dead letters.
    Apply,
}

/// The result of a sweep through dead letters.
#[derive(Debug)]
pub struct Report {
    /// The mode of the sweep.
    pub mode: Mode,
    /// The number of dead letters that were looked at.
    pub looked_at: usize,
    /// The selected dead letters and their results, the oldest first.
    pub letters: Vec<Settled>,
    /// The error that ended the sweep early; dead letters missing in `letters` are untouched. The broker may not have
    /// received the last acknowledgements: those dead letters are then still there although their copies are under way.
    pub interrupted: Option<Error>,
}

impl Report {
    /// The number of dead letters that were redriven or discarded, or would be.
    #[must_use]
    pub fn done(&self) -> usize {
        self.letters.iter().filter(|settled| settled.result.is_ok()).count()
    }

    /// The number of selected dead letters that stay because of an error.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.letters.len() - self.done()
    }
}

/// The result for one dead letter.
#[derive(Debug)]
pub struct Settled {
    /// The dead letter.
    pub letter: DeadLetter,
    /// The result; after an error the dead letter is still in the queue.
    pub result: Result<()>,
}

/// The largest number of copies in flight at once.
const WINDOW: usize = 64;

pub(super) async fn list(letters: &DeadLetters, filter: &Filter) -> Result<Vec<DeadLetter>> {
    let mut sweep = Sweep::begin(letters, filter).await?;
    let mut found = Vec::new();
    while let Some((letter, settlement)) = sweep.next().await? {
        sweep.held.push(settlement);
        found.push(letter);
    }
    // Whoever looks next sees them all again. That they are back shows then; what was found is found.
    let _ = sweep.finish().await;
    Ok(found)
}

/// The action on the selected dead letters.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Redrive,
    Discard,
}

/// Replaces the selected dead letters, several at once, and acknowledges each that is replaced.
pub(super) async fn sweep(letters: &DeadLetters, filter: &Filter, action: Action, mode: Mode) -> Result<Report> {
    let mut sweep = Sweep::begin(letters, filter).await?;
    let mut report = Report { mode, looked_at: 0, letters: Vec::new(), interrupted: None };
    let mut under_way = FuturesOrdered::new();
    loop {
        let next = match sweep.next().await {
            Ok(next) => next,
            Err(error) => {
                report.interrupted = Some(error);
                None
            }
        };
        let is_end = next.is_none();
        if let Some((letter, settlement)) = next {
            under_way.push_back(replace(letters.bus.clone(), letter, settlement, action, mode));
        }
        while under_way.len() >= if is_end { 1 } else { WINDOW } {
            let Some((letter, settlement, result)) = under_way.next().await else { break };
            if mode == Mode::Apply && result.is_ok() {
                settlement.ack();
            } else {
                sweep.held.push(settlement);
            }
            // Without the bus the others fail too, each after its deadline.
            sweep.over |= result.as_ref().is_err_and(Error::is_retryable);
            report.letters.push(Settled { letter, result });
        }
        if is_end {
            break;
        }
    }
    report.looked_at = sweep.looked_at;
    if let Err(error) = sweep.finish().await {
        report.interrupted.get_or_insert(error);
    }
    Ok(report)
}

async fn replace(
    bus: Bus,
    letter: DeadLetter,
    settlement: Settlement,
    action: Action,
    mode: Mode,
) -> (DeadLetter, Settlement, Result<()>) {
    let result = match (mode, action) {
        (Mode::Apply, Action::Redrive) => publish(&bus, redriven(&letter)).await,
        (Mode::Apply, Action::Discard) | (Mode::DryRun, _) => Ok(()),
    };
    (letter, settlement, result)
}

/// A pass through a queue; holds the messages it has seen, so that it sees none twice.
struct Sweep<'a> {
    letters: &'a DeadLetters,
    filter: &'a Filter,
    browser: BoxQueueBrowser,
    held: Vec<Settlement>,
    looked_at: usize,
    found: usize,
    over: bool,
}

impl<'a> Sweep<'a> {
    async fn begin(letters: &'a DeadLetters, filter: &'a Filter) -> Result<Self> {
        let browser = letters.bus.transport().browse(Arc::clone(&letters.parked)).await?;
        Ok(Self { letters, filter, browser, held: Vec::new(), looked_at: 0, found: 0, over: false })
    }

    /// Returns the next selected dead letter. Dead letters that arrive during the sweep are not selected: one that is
    /// redriven and fails again would be redriven without end.
    async fn next(&mut self) -> Result<Option<(DeadLetter, Settlement)>> {
        while !self.over && self.filter.limit.is_none_or(|limit| self.found < limit) {
            let Some(delivery) = self.browser.next().await? else { break };
            self.looked_at += 1;
            let letter = DeadLetter::new(&self.letters.queue, delivery.message);
            if self.filter.matches(&letter) {
                self.found += 1;
                return Ok(Some((letter, delivery.settlement)));
            }
            self.held.push(delivery.settlement);
        }
        Ok(None)
    }

    /// Returns the held messages to the queue.
    async fn finish(self) -> Result<()> {
        drop(self.held);
        self.browser.finish().await
    }
}

/// The copy of a dead letter that begins anew, for the queue of its subscriber alone.
fn redriven(letter: &DeadLetter) -> Outgoing {
    let mut properties = letter.message.properties.clone();
    let of_the_failure = [
        names::ATTEMPT,
        names::QUEUE,
        names::ERROR,
        names::REASON,
        names::RETURNED,
        names::FIRST_FAILED,
        names::LAST_FAILED,
    ];
    // The broker's own would make it believe that the copy goes in a circle.
    properties.headers.remove_all(|name| name.starts_with("x-") || of_the_failure.contains(&name));
    properties.headers.set(names::REDRIVEN, letter.redriven.saturating_add(1));
    properties.expiration = None;
    Outgoing {
        exchange: "".into(),
        routing_key: Arc::clone(&letter.queue),
        properties,
        body: letter.message.body.clone(),
        mandatory: true,
    }
}

async fn publish(bus: &Bus, copy: Outgoing) -> Result<()> {
    let queue = Arc::clone(&copy.routing_key);
    if bus.publish_message(copy).await?.unrouted {
        return Err(Error::new(
            ErrorKind::Unrouted,
            format!("there is no queue `{queue}`; start its subscriber, which declares it, and redrive again"),
        ));
    }
    Ok(())
}
