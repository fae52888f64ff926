//! The mark of deduplication, which says that an event was handled.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use uuid::Uuid;

use crate::store::LeaseKey;

/// The mark that says that an event was handled, as a subscriber with `dedupe(within = …)` sets it after the handler.
///
/// A handler whose effect must happen once sets the mark itself, in the transaction of the effect, and says so with
/// [`set_elsewhere`](DedupeMark::set_elsewhere). A mark and an effect that are committed together cannot be half done: after
/// a crash both are there, or neither is.
#[derive(Debug, Clone)]
pub struct DedupeMark(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: LeaseKey,
    token: Uuid,
    within: Duration,
    is_set_elsewhere: AtomicBool,
}

impl DedupeMark {
    pub(super) fn new(key: LeaseKey, token: Uuid, within: Duration) -> Self {
        Self(Arc::new(Inner { key, token, within, is_set_elsewhere: AtomicBool::new(false) }))
    }

    /// The key of the mark: the subscriber's queue and the event.
    #[must_use]
    pub fn key(&self) -> &LeaseKey {
        &self.0.key
    }

    /// The token of the lease that the subscriber holds on the event.
    #[must_use]
    pub fn token(&self) -> Uuid {
        self.0.token
    }

    /// The time for which the mark lasts.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.0.within
    }

    /// Says that the handler has set the mark: the subscriber does not set it again, and only gives up its lease.
    pub fn set_elsewhere(&self) {
        self.0.is_set_elsewhere.store(true, Ordering::Release);
    }

    pub(super) fn is_set_elsewhere(&self) -> bool {
        self.0.is_set_elsewhere.load(Ordering::Acquire)
    }
}
