//! Deduplication: an event that a subscriber has handled is not handled by it again.
//!
//! A subscriber with `dedupe(within = …)` takes a lease on (its queue, the event id) before it handles an event, renews it
//! while it works, and marks the event as done after its follow-ups are confirmed and before it acknowledges. A duplicate of
//! what is done is acknowledged and counted (`bloodbank_duplicates_total`). A duplicate of what is being handled waits on the
//! shortest rung, without using up an attempt. Whoever dies in the middle leaves a lease that ends: the event is handled again,
//! never skipped.
//!
//! That is not *exactly once*: a crash between an effect and its mark repeats the effect. Effects that must happen once need
//! the event id in the transaction of the effect itself.

mod guard;
mod mark;

use std::{fmt, sync::Arc, time::Duration};

pub(crate) use guard::{Begun, Guard, Lease};
pub use mark::DedupeMark;

use crate::store::LeaseStore;

/// How subscribers with `dedupe(within = …)` remember what they have handled.
///
/// Without one, [`App`](crate::App) takes the Redis of the settings, or else the embedded bus itself.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use bloodbank_core::{App, Bus, dedupe::{Dedupe, OnOutage}, store::memory::MemoryLeases};
/// # fn example(bus: Bus) -> App {
/// App::new("shipping", bus).dedupe(
///     Dedupe::in_store(Arc::new(MemoryLeases::default())).lease(Duration::from_secs(10)).on_outage(OnOutage::Closed),
/// )
/// # }
/// ```
#[derive(Clone)]
pub struct Dedupe {
    store: Arc<dyn LeaseStore>,
    lease: Duration,
    deadline: Duration,
    on_outage: OnOutage,
}

/// What happens to events while the store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnOutage {
    /// They are handled; [`Context::may_be_duplicate`](crate::Context::may_be_duplicate) says so, and
    /// `bloodbank_dedupe_unchecked_total` counts them.
    #[default]
    Open,
    /// They wait on a rung, without using up an attempt, until it answers.
    Closed,
}

impl Dedupe {
    /// With this store.
    #[must_use]
    pub fn in_store(store: Arc<dyn LeaseStore>) -> Self {
        Self { store, lease: Duration::from_secs(30), deadline: Duration::from_secs(1), on_outage: OnOutage::default() }
    }

    /// How long an event is left to whoever has begun it, should he die; default 30 s. While he lives, he renews it.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(100));
        self
    }

    /// How long the store may take to answer; default 1 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What happens while the store does not answer; default: events are handled.
    #[must_use]
    pub fn on_outage(mut self, on_outage: OnOutage) -> Self {
        self.on_outage = on_outage;
        self
    }
}

impl fmt::Debug for Dedupe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dedupe")
            .field("store", &self.store.describe())
            .field("lease", &self.lease)
            .field("on_outage", &self.on_outage)
            .finish_non_exhaustive()
    }
}
