//! The queues of the subscribers and commands of this program, without starting them.

use std::sync::Arc;

use crate::registry::Registry;

/// The queue and the patterns of every subscriber and command that is linked into this program, once each, sorted.
pub(crate) fn linked_queues(service: &str, command_queues: &str) -> Vec<(Arc<str>, Vec<Arc<str>>)> {
    let registry = Registry::global();
    let subscribers =
        registry.subscribers().iter().map(|subscriber| (subscriber.queue(service), subscriber.patterns()));
    let commands = registry.executors().iter().map(|command| (command.queue(command_queues), vec![command.pattern()]));
    let mut queues: Vec<_> = subscribers.chain(commands).collect();
    queues.sort_unstable();
    queues.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1.append(&mut next.1);
        }
        same
    });
    queues
}
