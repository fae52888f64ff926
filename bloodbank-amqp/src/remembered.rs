use std::sync::{Mutex, PoisonError};

use bloodbank_core::{
    settings::QueueKind,
    transport::{Topology, topology::Queue},
};

/// What was declared, once each, in the order of the first time: declared again after every reconnect.
#[derive(Default)]
pub(super) struct Remembered(Mutex<Topology>);

impl Remembered {
    pub(super) fn add(&self, topology: Topology) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        merge(&mut known.exchanges, topology.exchanges, |a, b| a.name == b.name);
        merge(&mut known.queues, topology.queues, |a, b| a.name == b.name);
        merge(&mut known.bindings, topology.bindings, PartialEq::eq);
    }

    /// Everything.
    pub(super) fn all(&self) -> Topology {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything but the queues that belong to one connection.
    pub(super) fn lasting(&self) -> Topology {
        let mut topology = self.all();
        let lasts = |queue: &Queue| queue.kind != QueueKind::Transient;
        let gone: Vec<_> = topology.queues.iter().filter(|queue| !lasts(queue)).cloned().collect();
        topology.queues.retain(lasts);
        topology.bindings.retain(|binding| !gone.iter().any(|queue| queue.name == binding.queue));
        topology
    }
}

/// The last declaration of a name counts.
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
        let remembered = Remembered::default();
        for queue in ["a", "b", "a"] {
            let patterns = ["orders.#".into()];
            remembered.add(Topology::subscriber(&exchange, &queue.into(), QueueKind::Quorum, &patterns));
        }
        remembered.add(Topology::replies(&"answers".into()));
        let all = remembered.all();
        assert_eq!(all.exchanges.len(), 2 + 10);
        assert_eq!(all.queues.len(), 2 * 2 + 10 + 1);
        assert_eq!(all.bindings.len(), 2 * 2 + 10);
        assert_eq!(remembered.lasting().queues.len(), 2 * 2 + 10);
    }
}
