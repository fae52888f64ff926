//! The topology that this program declared, kept for reconnects.

use parking_lot::Mutex;

use bloodbank_core::{
    settings::QueueKind,
    transport::{Topology, topology::Queue},
};

/// Every exchange, queue and binding that was declared, once each and in the order of the first declaration; declared again
/// after every reconnect.
#[derive(Default)]
pub(super) struct DeclaredTopology(Mutex<Topology>);

impl DeclaredTopology {
    pub(super) fn add(&self, topology: Topology) {
        let mut known = self.0.lock();
        merge(&mut known.exchanges, topology.exchanges, |a, b| a.name == b.name);
        merge(&mut known.queues, topology.queues, |a, b| a.name == b.name);
        merge(&mut known.bindings, topology.bindings, PartialEq::eq);
    }

    /// Forgets which subscriber a queue belongs to.
    pub(super) fn release(&self, queue: &str) {
        for known in self.0.lock().queues.iter_mut().filter(|known| &*known.name == queue) {
            known.subscriber = None;
        }
    }

    /// Whether a queue belongs to one connection.
    pub(super) fn is_transient(&self, queue: &str) -> bool {
        self.is(queue, |queue| queue.kind == QueueKind::Transient)
    }

    /// Whether a queue delivers to one consumer at a time.
    pub(super) fn is_single_active(&self, queue: &str) -> bool {
        self.is(queue, |queue| queue.single_active)
    }

    fn is(&self, queue: &str, what: impl Fn(&Queue) -> bool) -> bool {
        self.0.lock().queues.iter().any(|known| &*known.name == queue && what(known))
    }

    /// The whole topology.
    pub(super) fn all(&self) -> Topology {
        self.0.lock().clone()
    }

    /// The topology without the queues that belong to one connection.
    pub(super) fn without_transient(&self) -> Topology {
        self.all().split_transient().0
    }
}

/// Adds new declarations; the last declaration of a name counts.
fn merge<T>(known: &mut Vec<T>, new: Vec<T>, same: impl Fn(&T, &T) -> bool) {
    for item in new {
        match known.iter_mut().find(|old| same(old, &item)) {
            Some(old) => *old = item,
            None => known.push(item),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn what_is_declared_twice_is_remembered_once() {
        let exchange: Arc<str> = "events".into();
        let declared = DeclaredTopology::default();
        for queue in ["a", "b", "a"] {
            let patterns = ["orders.#".into()];
            declared.add(Topology::subscriber(&exchange, &queue.into(), QueueKind::Quorum, &patterns));
        }
        declared.add(Topology::replies(&"answers".into()));
        let all = declared.all();
        assert_eq!(all.exchanges.len(), 2 + 10);
        assert_eq!(all.queues.len(), 2 * 2 + 10 + 1);
        assert_eq!(all.bindings.len(), 2 * 2 + 10);
        assert_eq!(declared.without_transient().queues.len(), 2 * 2 + 10);
    }
}
