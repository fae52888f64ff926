//! Deduplication: an event that a subscriber has handled is not handled by it again.
//!
//! A subscriber with `dedupe(within = …)` takes a lease on (its queue, the event id) before it handles an event, renews
//! it while it works, and marks the event as done after its follow-ups are confirmed and before it acknowledges. A
//! duplicate of a handled event is acknowledged and counted (`bloodbank_duplicates_total`). A duplicate of an event in
//! progress waits on the shortest rung of the retry ladder, without using up an attempt. A consumer that dies in
//! between leaves a lease that ends: the event is handled again, never skipped.
//!
//! Beside a quick handler, the leases of the next events are acquired ahead, together, while the ones before are handled: a
//! round trip for each would take longer than the handler.
//!
//! This is not *exactly once*: a crash between an effect and its mark repeats the effect. An effect that must happen
//! once needs the event id in its own transaction.

mod guard;
mod mark;

use std::{fmt, sync::Arc, time::Duration};

pub(crate) use guard::{Asked, Begun, Guard, Lease};
pub use mark::DedupeMark;

use crate::store::LeaseStore;

/// The deduplication of subscribers with `dedupe(within = …)`: a lease store and the rules for its use.
///
/// An [`App`](crate::App) without a `Dedupe` uses the Redis of the settings, or else the embedded bus itself.
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

/// The handling of events while the store does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnOutage {
    /// Events are handled; [`Context::may_be_duplicate`](crate::Context::may_be_duplicate) is then `true`, and
    /// `bloodbank_dedupe_unchecked_total` counts them.
    #[default]
    Open,
    /// Events wait on a rung of the retry ladder, without using up an attempt, until the store answers.
    Closed,
}

impl Dedupe {
    /// Creates deduplication with this store.
    #[must_use]
    pub fn in_store(store: Arc<dyn LeaseStore>) -> Self {
        Self { store, lease: Duration::from_secs(30), deadline: Duration::from_secs(1), on_outage: OnOutage::default() }
    }

    /// Sets how long an event is left to a consumer that died while it handled the event; default 30 s, at least 100
    /// ms. A living consumer renews its lease.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(Duration::from_millis(100));
        self
    }

    /// Sets how long the store may take to answer; default 1 s.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sets the handling of events while the store does not answer; default: they are handled.
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
