//! The queues of the bus, each with its dead letters.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bloodbank_client::{Connection, QueueEntry};
use bloodbank_core::{Bus, DeadLetters, transport::QueueStatus};
use bloodbank_gateway::Gateway;
use chrono::{DateTime, Utc};
use tokio::{sync::Mutex, time::timeout};

use crate::refusal::Refusal;

/// The time for which what was found is shown again: many people may look at the same time.
const FRESH: Duration = Duration::from_secs(2);
/// The time in which the bus must answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the name of a dead-letter queue ends with.
const DEAD: &str = ".dlq";
/// What the names of queues begin with that belong to the bus: delays between attempts, and the streams of gateways.
const RETRIES: &str = "bloodbank.retry.";
const STREAMS: &str = "bloodbank.gateway.";

/// The queues of the bus at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Queues {
    /// Sorted by name.
    pub(crate) rows: Vec<QueueEntry>,
    /// The number of messages that wait for another attempt.
    pub(crate) delayed: u64,
    /// Why queues may be missing.
    pub(crate) incomplete: Option<String>,
}

impl Queues {
    pub(crate) fn dead_letters(&self) -> u64 {
        self.rows.iter().filter_map(|row| row.dead_letters).sum()
    }

    fn of(found: Vec<QueueStatus>, now: DateTime<Utc>, incomplete: Option<String>) -> Self {
        let is_retry = |status: &&QueueStatus| status.name.starts_with(RETRIES);
        let delayed = found.iter().filter(is_retry).map(|status| status.waiting).sum();
        let mut rows = QueueEntry::of(found, now);
        rows.retain(|row| !row.is_of_all() && !row.status.name.starts_with(STREAMS));
        for row in &mut rows {
            // Letters of a subscriber that is gone: nothing else waits there.
            if let Some(queue) = row.status.name.strip_suffix(DEAD) {
                row.status = QueueStatus::new(queue, 0, 0);
            }
        }
        rows.sort_by(|one, other| one.status.name.cmp(&other.status.name));
        Self { rows, delayed, incomplete }
    }

    /// Asks the bus.
    async fn load(gateway: &Gateway) -> Result<Self, Refusal> {
        let bus = gateway.bus();
        let connection = Connection::Bus(bus.clone());
        let why = match timeout(PATIENCE, connection.queues(bus.settings())).await {
            Ok(Ok(found)) => return Ok(Self::of(found, Utc::now(), None)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it does not answer in time".to_owned(),
        };
        // Without the list, the queues that this program knows are asked for one by one.
        let known = timeout(PATIENCE, one_by_one(bus, known(gateway))).await;
        let found =
            known.map_err(|_| Refusal::unavailable("The broker does not say in time what its queues hold."))??;
        let because =
            format!("Only the queues of this program are shown, because RabbitMQ does not list all of them: {why}.");
        Ok(Self::of(found, Utc::now(), Some(because)))
    }
}

/// The queues of the handlers in this program.
fn known(gateway: &Gateway) -> BTreeSet<String> {
    let bus = gateway.bus();
    let linked = DeadLetters::linked(bus, bus.service_name());
    let running = gateway.health().subscribers.into_iter().map(|subscriber| subscriber.queue.to_string());
    linked.iter().map(|letters| letters.queue().to_string()).chain(running).collect()
}

async fn one_by_one(bus: &Bus, names: BTreeSet<String>) -> Result<Vec<QueueStatus>, Refusal> {
    let mut found = Vec::new();
    for name in names {
        for name in [format!("{name}{DEAD}"), name] {
            found.extend(bus.transport().queue(name.into()).await?);
        }
    }
    Ok(found)
}

/// The queues as they were found last.
#[derive(Default)]
pub(crate) struct QueueCache(Mutex<Option<(Instant, Queues)>>);

impl QueueCache {
    /// The queues as they are, or were a moment ago.
    pub(crate) async fn get(&self, gateway: &Gateway) -> Result<Queues, Refusal> {
        let mut cached = self.0.lock().await;
        if let Some((since, queues)) = &*cached
            && since.elapsed() < FRESH
        {
            return Ok(queues.clone());
        }
        let queues = Queues::load(gateway).await?;
        *cached = Some((Instant::now(), queues.clone()));
        Ok(queues)
    }

    /// Forgets what was found, after an action has changed it.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_stand_beside_their_queue_and_queues_of_the_bus_are_left_out() {
        let found = [("shop.ship", 3), ("shop.ship.dlq", 2), ("gone.bill.dlq", 1), ("bloodbank.retry.1000", 4)];
        let found = found.map(|(name, waiting)| QueueStatus::new(name, waiting, 0));
        let queues = Queues::of(found.into(), Utc::now(), None);
        let rows: Vec<_> =
            queues.rows.iter().map(|row| (row.status.name.as_str(), row.status.waiting, row.dead_letters)).collect();
        assert_eq!(rows, [("gone.bill", 0, Some(1)), ("shop.ship", 3, Some(2))]);
        assert_eq!((queues.delayed, queues.dead_letters()), (4, 3));
    }
}
