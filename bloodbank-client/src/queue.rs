//! Queues as operators look at them: each with its dead letters.

use std::collections::BTreeMap;

use bloodbank_core::transport::QueueStatus;
use chrono::{DateTime, Utc};
use serde::Serialize;

/// What the name of a dead-letter queue ends with.
const DEAD: &str = ".dlq";

/// A queue with what its subscriber gave up.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct QueueEntry {
    /// The state of the queue.
    #[serde(flatten)]
    pub status: QueueStatus,
    /// For how many seconds the message that waits longest has waited; `None`: none waits, or it cannot be seen.
    pub lag_seconds: Option<i64>,
    /// The number of messages in its dead-letter queue; `None`: it has none.
    pub dead_letters: Option<u64>,
}

impl QueueEntry {
    /// One entry for each queue, those of dead letters within the entry of theirs; a dead-letter queue whose queue is not
    /// among the states has an entry of its own, at the end.
    #[must_use]
    pub fn of(states: Vec<QueueStatus>, now: DateTime<Utc>) -> Vec<Self> {
        let mut dead: BTreeMap<String, QueueStatus> = BTreeMap::new();
        let mut entries = Vec::new();
        for status in states {
            match status.name.strip_suffix(DEAD) {
                Some(queue) => drop(dead.insert(queue.to_owned(), status)),
                None => {
                    let lag_seconds = status.oldest.map(|oldest| (now - oldest).num_seconds().max(0));
                    entries.push(Self { status, lag_seconds, dead_letters: None });
                }
            }
        }
        for entry in &mut entries {
            entry.dead_letters = dead.remove(&entry.status.name).map(|dead| dead.waiting);
        }
        entries.extend(dead.into_values().map(|status| {
            let waiting = status.waiting;
            Self { status, lag_seconds: None, dead_letters: Some(waiting) }
        }));
        entries
    }

    /// Whether the queue holds dead letters.
    #[must_use]
    pub fn is_dead_letter_queue(&self) -> bool {
        self.status.name.ends_with(DEAD)
    }

    /// Whether the queue belongs to no subscriber: delays between attempts, answers to commands.
    #[must_use]
    pub fn is_of_all(&self) -> bool {
        ["bloodbank.retry.", "bloodbank.reply."].iter().any(|name| self.status.name.starts_with(name))
    }

    /// For how long the oldest message has waited; where that cannot be seen, how long those that wait will take at the
    /// rate at which they are acknowledged.
    #[must_use]
    pub fn age(&self) -> String {
        let duration = |seconds: u64| humantime::format_duration(std::time::Duration::from_secs(seconds)).to_string();
        match (self.lag_seconds, self.status.acknowledgements) {
            (Some(seconds), _) => duration(seconds.unsigned_abs()),
            (None, Some(rate)) if rate > 0.0 && self.status.waiting > 0 => {
                let seconds = (self.status.waiting as f64 / rate).min(1e9);
                format!("{} to go", duration(seconds as u64))
            }
            (None, _) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_stand_with_their_queue() {
        let states = vec![
            QueueStatus::new("billing.charge.dlq", 2, 0),
            QueueStatus::new("shop.ship", 5, 1).rates(None, Some(0.5)),
            QueueStatus::new("shop.ship.dlq", 3, 0),
        ];
        let entries = QueueEntry::of(states, Utc::now());
        let seen: Vec<_> = entries.iter().map(|entry| (&*entry.status.name, entry.dead_letters)).collect();
        assert_eq!(seen, [("shop.ship", Some(3)), ("billing.charge.dlq", Some(2))]);
        assert_eq!(entries[0].age(), "10s to go");
        assert!(entries[1].is_dead_letter_queue());
    }

    #[test]
    fn what_waits_has_an_age() {
        let now = Utc::now();
        let oldest = now - chrono::TimeDelta::seconds(90);
        let entries = QueueEntry::of(vec![QueueStatus::new("shop.ship", 1, 1).oldest(oldest)], now);
        assert_eq!((entries[0].lag_seconds, &*entries[0].age()), (Some(90), "1m 30s"));
    }
}
