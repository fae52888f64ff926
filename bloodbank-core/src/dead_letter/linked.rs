//! What the subscribers and commands of this program need on the broker.

use std::sync::Arc;

use crate::registry::Registry;

/// The queues of every subscriber and command that is linked into this program, once each.
pub(super) fn queues(service: &str, exchange: &str) -> Vec<Arc<str>> {
    let registry = Registry::global();
    let subscribers = registry.subscribers().iter().map(|subscriber| subscriber.queue(service));
    let commands = registry.executors().iter().map(|command| command.queue(exchange));
    let mut queues: Vec<Arc<str>> = subscribers.chain(commands).collect();
    queues.sort_unstable();
    queues.dedup();
    queues
}
