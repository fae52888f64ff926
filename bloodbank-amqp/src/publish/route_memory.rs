//! The keys that had a subscriber, on a cluster with classic queues.
//!
//! A classic queue lives on one node. While that node is down, RabbitMQ 3.10 forgets its bindings: an event for it is confirmed and
//! returned as if nobody had subscribed, and the subscriber never gets it (RabbitMQ 4.0 keeps the bindings, and refuses the event). The
//! broker does not say which of the two it is. So a key that had a route lately and has none is refused, for a while: a subscriber that
//! is gone for good is believed in the end.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use bloodbank_core::message::Outgoing;

/// The time for which a route is missed after it was seen last.
pub(super) const MISSED: Duration = Duration::from_secs(60 * 60);
/// The number of keys of a generation; twice as many are remembered at most.
const GENERATION: usize = 4_096;

/// Which keys of the events' exchange had a route, and when.
pub(crate) struct RouteMemory {
    /// `None`: nothing is remembered, because bindings do not vanish by themselves.
    exchange: Option<Arc<str>>,
    keys: Mutex<Generations>,
}

/// The keys that were used lately, and those that were used before them.
#[derive(Default)]
struct Generations {
    young: HashMap<Arc<str>, Instant>,
    old: HashMap<Arc<str>, Instant>,
}

impl RouteMemory {
    /// Remembers the keys of this exchange.
    pub(crate) fn of(exchange: &str) -> Self {
        Self { exchange: Some(exchange.into()), keys: Mutex::default() }
    }

    pub(crate) fn off() -> Self {
        Self { exchange: None, keys: Mutex::default() }
    }

    /// Notes that a queue receives a message.
    pub(super) fn routed(&self, message: &Outgoing) {
        if self.is_remembered(message) {
            self.keys.lock().note(&message.routing_key, Instant::now());
        }
    }

    /// Whether the key of a message that no queue receives had a route lately.
    pub(super) fn misses(&self, message: &Outgoing) -> bool {
        self.is_remembered(message)
            && self.keys.lock().seen(&message.routing_key).is_some_and(|seen| seen.elapsed() < MISSED)
    }

    fn is_remembered(&self, message: &Outgoing) -> bool {
        self.exchange.as_deref() == Some(&*message.exchange)
    }
}

impl Generations {
    fn note(&mut self, key: &Arc<str>, now: Instant) {
        if self.young.len() >= GENERATION && !self.young.contains_key(key) {
            self.old = std::mem::take(&mut self.young);
        }
        match self.young.entry(Arc::clone(key)) {
            Entry::Occupied(mut seen) => *seen.get_mut() = now,
            Entry::Vacant(place) => drop(place.insert(now)),
        }
    }

    fn seen(&self, key: &str) -> Option<Instant> {
        self.young.get(key).or_else(|| self.old.get(key)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(exchange: &str, key: &str) -> Outgoing {
        Outgoing::new(exchange, key, "{}").mandatory()
    }

    #[tokio::test(start_paused = true)]
    async fn a_route_that_is_gone_is_missed_for_an_hour_and_then_believed() {
        let memory = RouteMemory::of("events");
        let order = event("events", "orders.order.placed");
        assert!(!memory.misses(&order), "it never had one");
        memory.routed(&order);
        assert!(memory.misses(&order));
        assert!(!memory.misses(&event("events", "orders.order.shipped")), "another key");
        tokio::time::advance(MISSED).await;
        assert!(!memory.misses(&order), "the subscriber is gone for good");
    }

    #[test]
    fn other_exchanges_and_other_brokers_are_believed_at_once() {
        let memory = RouteMemory::of("events");
        let copy = event("", "shop.ship");
        memory.routed(&copy);
        assert!(!memory.misses(&copy));
        let off = RouteMemory::off();
        let order = event("events", "orders.order.placed");
        off.routed(&order);
        assert!(!off.misses(&order));
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_used() {
        let memory = RouteMemory::of("events");
        let used = event("events", "orders.used");
        for number in 0..10 * GENERATION {
            memory.routed(&event("events", &format!("orders.n{number}")));
            memory.routed(&used);
        }
        let keys = memory.keys.lock();
        assert!(keys.young.len() + keys.old.len() <= 2 * GENERATION, "{} and {}", keys.young.len(), keys.old.len());
        drop(keys);
        assert!(memory.misses(&used));
        assert!(!memory.misses(&event("events", "orders.n0")));
    }
}
