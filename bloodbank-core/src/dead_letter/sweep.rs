//! Sweeps through the dead letters of a queue.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream::FuturesOrdered};

use super::{DeadLetter, DeadLetters, Filter};
use crate::{
    error::{Error, ErrorKind, Result},
    message::{Outgoing, names},
    publish::Bus,
    store::ParkedKeys,
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
    let selection = Selection::take(letters, filter).await?;
    let (found, settlements) = selection.chosen.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
    drop((settlements, selection.held));
    // Whoever looks next sees them all again. That they are back shows then; what was found is found.
    let _ = selection.browser.finish().await;
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
    let Selection { chosen, mut held, mut browser, looked_at } = Selection::take(letters, filter).await?;
    let lines = match (action, mode) {
        (Action::Discard, Mode::Apply) => letters.lines_of(chosen.iter().map(|(letter, _)| letter)).await,
        _ => Ok(None),
    };
    let lines = match lines {
        Ok(lines) => lines,
        Err(error) => {
            drop((chosen, held));
            // That they are back shows to whoever looks next.
            let _ = browser.finish().await;
            return Err(error);
        }
    };
    let mut report = Report { mode, looked_at, letters: Vec::new(), interrupted: None };
    let mut waiting = chosen.into_iter();
    let mut under_way = FuturesOrdered::new();
    let mut is_over = false;
    loop {
        while !is_over && under_way.len() < WINDOW {
            let Some((letter, settlement)) = waiting.next() else { break };
            under_way.push_back(replace(letters.bus.clone(), lines.clone(), letter, settlement, (action, mode)));
        }
        let Some((letter, settlement, result)) = under_way.next().await else { break };
        if mode == Mode::Apply && result.is_ok() {
            settlement.ack();
        } else {
            held.push(settlement);
        }
        // Without the bus the others fail too, each after its deadline.
        is_over |= result.as_ref().is_err_and(Error::is_retryable);
        report.letters.push(Settled { letter, result });
        // What is replaced leaves the queue soon: it would come again if this process ended now.
        if report.letters.len().is_multiple_of(WINDOW)
            && let Err(error) = browser.flush().await
        {
            report.interrupted.get_or_insert(error);
            is_over = true;
        }
    }
    held.extend(waiting.map(|(_, settlement)| settlement));
    drop(held);
    if let Err(error) = browser.finish().await {
        report.interrupted.get_or_insert(error);
    }
    Ok(report)
}

async fn replace(
    bus: Bus,
    lines: Option<Arc<dyn ParkedKeys>>,
    letter: DeadLetter,
    settlement: Settlement,
    (action, mode): (Action, Mode),
) -> (DeadLetter, Settlement, Result<()>) {
    let result = match (mode, action) {
        (Mode::Apply, Action::Redrive) => publish(&bus, redriven(&letter)).await,
        // First: what waits behind a letter that is gone would wait for ever.
        (Mode::Apply, Action::Discard) => letter.leave_line(lines.as_ref()).await,
        (Mode::DryRun, _) => Ok(()),
    };
    (letter, settlement, result)
}

/// The dead letters that a filter selects, the oldest first. The whole queue is held meanwhile, so that no message is seen
/// twice, and goes back as a whole.
pub(super) struct Selection {
    pub(super) chosen: Vec<(DeadLetter, Settlement)>,
    /// The messages that were not chosen.
    pub(super) held: Vec<Settlement>,
    pub(super) browser: BoxQueueBrowser,
    looked_at: usize,
}

impl Selection {
    /// Looks at all that waits now, and at nothing that arrives later: a dead letter that is redriven and fails again would
    /// be redriven without end.
    ///
    /// The order of the queue says little: on some brokers what was looked at goes back to the end. So the oldest are those
    /// that failed first, and to know them all must be seen.
    pub(super) async fn take(letters: &DeadLetters, filter: &Filter) -> Result<Self> {
        let mut browser = letters.bus.transport().browse(Arc::clone(&letters.parked)).await?;
        let limit = filter.limit.unwrap_or(usize::MAX);
        let (mut chosen, mut held, mut looked_at) = (Vec::new(), Vec::new(), 0);
        // A message that says no time stands behind the one it was found behind.
        let mut time = DateTime::<Utc>::MIN_UTC;
        while let Some(delivery) = browser.next().await? {
            looked_at += 1;
            let letter = DeadLetter::new(&letters.queue, delivery.message);
            time = letter.time().unwrap_or(time);
            if !filter.matches(&letter) {
                held.push(delivery.settlement);
                continue;
            }
            chosen.push((time, letter, delivery.settlement));
            if !filter.handles.is_empty() && chosen.len() >= limit {
                // No other is meant.
                break;
            }
            // Not after each, or it would be sorted again and again.
            if chosen.len() >= limit.saturating_mul(2).saturating_add(WINDOW) {
                keep_oldest(&mut chosen, limit, &mut held);
            }
        }
        keep_oldest(&mut chosen, limit, &mut held);
        let chosen = chosen.into_iter().map(|(_, letter, settlement)| (letter, settlement)).collect();
        Ok(Self { chosen, held, browser, looked_at })
    }
}

/// A dead letter with the time by which it is sorted.
type Found = (DateTime<Utc>, DeadLetter, Settlement);

fn keep_oldest(chosen: &mut Vec<Found>, limit: usize, held: &mut Vec<Settlement>) {
    chosen.sort_by_key(|(time, ..)| *time);
    in_order_of_keys(chosen);
    if chosen.len() > limit {
        held.extend(chosen.drain(limit..).map(|(.., settlement)| settlement));
    }
}

/// Brings the dead letters of each parked key into the order of their positions, however often each has failed since. They share
/// the places that they have among the others.
fn in_order_of_keys(chosen: &mut Vec<Found>) {
    let mut keys: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, (_, letter, _)) in chosen.iter().enumerate() {
        if let Some(key) = &letter.key {
            keys.entry(key).or_default().push(place);
        }
    }
    if keys.is_empty() {
        return;
    }
    let mut order: Vec<usize> = (0..chosen.len()).collect();
    for places in keys.into_values() {
        let mut ordered = places.clone();
        ordered.sort_by_key(|place| chosen[*place].1.position);
        for (place, letter) in places.into_iter().zip(ordered) {
            order[place] = letter;
        }
    }
    let mut found: Vec<_> = chosen.drain(..).map(Some).collect();
    chosen.extend(order.into_iter().filter_map(|letter| found[letter].take()));
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
        // Whoever brings it back wants it handled.
        names::EXPIRES_AT,
    ];
    properties.headers.remove_all(|name| names::is_added_by_broker(name) || of_the_failure.contains(&name));
    properties.headers.set(names::REDRIVEN, letter.redriven.saturating_add(1));
    letter.message.note_origin(&mut properties.headers);
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
    if bus.publish_message(copy).await?.unrouted == Some(true) {
        return Err(Error::new(
            ErrorKind::Unrouted,
            format!("there is no queue `{queue}`; start its subscriber, which declares it, and redrive again"),
        ));
    }
    Ok(())
}
