//! Exchanges: from a key to the queues that receive it.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crate::entry::QueueId;
use bloodbank_core::{routing::PatternTrie, transport::topology::ExchangeKind};

/// Where an exchange sends a key; shared so that routing a known key costs one look-up.
pub(super) type Route = Arc<[QueueId]>;

/// An exchange with its bindings.
pub(super) struct Exchange {
    pub(super) kind: ExchangeKind,
    bindings: PatternTrie<QueueId>,
    /// The queues of each pattern.
    bound: HashMap<Arc<str>, BTreeSet<QueueId>>,
    cache: HashMap<Arc<str>, Route>,
}

/// Keys made of ids would fill the memory: beyond this the cache starts again.
const CACHED_KEYS: usize = 10_000;

impl Exchange {
    pub(super) fn new(kind: ExchangeKind) -> Self {
        Self { kind, bindings: PatternTrie::new(), bound: HashMap::new(), cache: HashMap::new() }
    }

    /// Binds a queue; `false` when it already was.
    pub(super) fn bind(&mut self, pattern: &Arc<str>, queue: QueueId) -> bool {
        if !self.bound.entry(Arc::clone(pattern)).or_default().insert(queue) {
            return false;
        }
        if self.kind == ExchangeKind::Topic {
            self.bindings.insert(pattern, queue);
        }
        self.cache.clear();
        true
    }

    /// Tells whether a queue is bound by that pattern.
    pub(super) fn has(&self, pattern: &str, queue: QueueId) -> bool {
        self.bound.get(pattern).is_some_and(|queues| queues.contains(&queue))
    }

    /// Forgets a queue that is gone.
    pub(super) fn unbind(&mut self, queue: QueueId) {
        self.bound.retain(|_, queues| {
            queues.remove(&queue);
            !queues.is_empty()
        });
        self.bindings.retain(|bound| *bound != queue);
        self.cache.clear();
    }

    /// The queues that receive this key, each once.
    pub(super) fn route(&mut self, key: &Arc<str>) -> Route {
        if let Some(route) = self.cache.get(key) {
            return Arc::clone(route);
        }
        let mut queues = Vec::new();
        match self.kind {
            ExchangeKind::Topic => self.bindings.for_each_match(key, |queue| queues.push(*queue)),
            ExchangeKind::Direct => {
                queues.extend(self.bound.get(key).into_iter().flatten().copied());
            }
            ExchangeKind::Fanout => queues.extend(self.bound.values().flatten().copied()),
        }
        queues.sort_unstable();
        queues.dedup();
        let route: Route = queues.into();
        if self.cache.len() >= CACHED_KEYS {
            self.cache.clear();
        }
        self.cache.insert(Arc::clone(key), Arc::clone(&route));
        route
    }
}
