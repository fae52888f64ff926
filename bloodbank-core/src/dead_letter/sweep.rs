//! Going through the dead letters of a queue.

use std::sync::Arc;

use futures_util::{StreamExt, stream::FuturesOrdered};

use super::{DeadLetter, DeadLetters, Filter};
use crate::{
    error::{Error, ErrorKind, Result},
    message::{Outgoing, names},
    publish::Bus,
    transport::{Fetched, Settlement},
};

/// Whether it is done, or only said what would be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Nothing changes.
    #[default]
    DryRun,
    /// It is done.
    Apply,
}

/// What became of the dead letters that were meant.
#[derive(Debug)]
pub struct Report {
    /// Whether it was done.
    pub mode: Mode,
    /// How many letters were looked at.
    pub looked_at: usize,
    /// Those that were meant, the oldest first.
    pub letters: Vec<Settled>,
    /// Why it ended before the end: what is missing in `letters` is untouched. Of those that were done last, the broker may
    /// not have heard; they are then still there although their copy is under way.
    pub interrupted: Option<Error>,
}

impl Report {
    /// How many were done, or would be.
    #[must_use]
    pub fn done(&self) -> usize {
        self.letters.iter().filter(|settled| settled.result.is_ok()).count()
    }

    /// How many stay although they were meant.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.letters.len() - self.done()
    }
}

/// What became of a dead letter.
#[derive(Debug)]
pub struct Settled {
    /// The letter.
    pub letter: DeadLetter,
    /// An error: it is still there.
    pub result: Result<()>,
}

/// So many copies are under way at once.
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

/// What becomes of the letters that are meant.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Redrive,
    Discard,
}

/// Replaces the letters that are meant, several at once, and lets go of each that is replaced.
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

/// A way through a queue; holds what it has seen, so that it sees nothing twice.
struct Sweep<'a> {
    letters: &'a DeadLetters,
    filter: &'a Filter,
    fetched: Fetched,
    held: Vec<Settlement>,
    looked_at: usize,
    found: usize,
    over: bool,
}

impl<'a> Sweep<'a> {
    async fn begin(letters: &'a DeadLetters, filter: &'a Filter) -> Result<Self> {
        let fetched = letters.bus.transport().fetch(Arc::clone(&letters.parked)).await?;
        Ok(Self { letters, filter, fetched, held: Vec::new(), looked_at: 0, found: 0, over: false })
    }

    /// The next letter that is meant. Letters that come while it runs are not: what is redriven and fails again would be
    /// redriven without end.
    async fn next(&mut self) -> Result<Option<(DeadLetter, Settlement)>> {
        while !self.over && self.filter.limit.is_none_or(|limit| self.found < limit) {
            let Some(delivery) = self.fetched.next().await? else { break };
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

    /// Gives back what is held.
    async fn finish(self) -> Result<()> {
        drop(self.held);
        self.fetched.finish().await
    }
}

/// The copy that begins anew, in the queue of its subscriber alone.
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
