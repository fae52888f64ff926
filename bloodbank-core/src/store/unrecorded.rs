//! Unrecorded links: those that a store lacks although they were recorded, so that nobody takes its content for
//! everything.

use std::collections::{HashSet, VecDeque};

use chrono::{DateTime, Utc};
use metrics::counter;
use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::store::CausationLink;

/// The number of events that are remembered one by one; about 4 MB.
const REMEMBERED: usize = 65_536;

/// The links that a store could not keep, counted as `bloodbank_correlation_missed_total`.
#[derive(Default)]
pub struct UnrecordedLinks(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    links: u64,
    events: HashSet<Uuid>,
    order: VecDeque<Uuid>,
    /// The time of the last missed link, once more were missed than could be remembered.
    until: Option<DateTime<Utc>>,
}

impl UnrecordedLinks {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock()
    }

    /// Adds a link that is not in the store: neither its child nor its parents show it.
    pub fn link(&self, link: &CausationLink) {
        self.lock().note([link.child].iter().chain(&link.parents), link.created_at);
    }

    /// Adds an event whose data is not all in the store.
    pub fn event(&self, event: Uuid, at: DateTime<Utc>) {
        self.lock().note([&event], at);
    }

    /// The number of missing links.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.lock().links
    }

    /// Whether the store may know less about an event than happened.
    #[must_use]
    pub fn concerns(&self, event: Uuid, created_at: Option<DateTime<Utc>>) -> bool {
        let inner = self.lock();
        inner.events.contains(&event)
            || inner.until.is_some_and(|until| created_at.is_none_or(|created| created <= until))
    }
}

impl Inner {
    fn note<'a>(&mut self, events: impl IntoIterator<Item = &'a Uuid>, at: DateTime<Utc>) {
        self.links += 1;
        counter!("bloodbank_correlation_missed_total").increment(1);
        for event in events {
            if self.events.insert(*event) {
                self.order.push_back(*event);
            }
        }
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.events.remove(&oldest);
            }
            self.until = self.until.max(Some(at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn beyond_what_it_remembers_it_doubts_everything_up_to_then() {
        let missed = UnrecordedLinks::default();
        let now = Utc::now();
        let id = |n: usize| Uuid::from_u128(n as u128);
        missed.event(id(0), now);
        assert!(missed.concerns(id(0), None));
        assert!(!missed.concerns(id(1), Some(now)));
        for n in 1..=REMEMBERED {
            missed.event(id(n), now);
        }
        assert!(missed.concerns(id(0), Some(now)), "no longer remembered, so doubted");
        assert!(missed.concerns(id(REMEMBERED), Some(now + TimeDelta::seconds(1))));
        assert!(!missed.concerns(id(0), Some(now + TimeDelta::seconds(1))));
        assert_eq!(missed.count(), REMEMBERED as u64 + 1);
    }
}
