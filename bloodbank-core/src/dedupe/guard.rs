//! A subscriber's access to the lease store: every call ends by its deadline, and a store that has failed is left alone
//! for a moment.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use metrics::{Counter, counter};
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tracing::{info, warn};
use uuid::Uuid;

use super::{Dedupe, DedupeMark, OnOutage};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Acquired, LeaseKey};

/// The time for which a store that has failed is not called again, because each event would wait for the deadline.
const REST: Duration = Duration::from_secs(1);

/// The deduplication of one subscriber. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Guard(Arc<Inner>);

struct Inner {
    dedupe: Dedupe,
    queue: Arc<str>,
    within: Duration,
    /// The time until which the store is left alone; `None` while it does not fail.
    resting: Mutex<Option<Instant>>,
    duplicates: Counter,
    busy: Counter,
    unchecked: Counter,
    unmarked: Counter,
}

/// The decision about a delivery before it is handled.
pub(crate) enum Begun {
    /// The lease on the event was acquired.
    Leased(Lease),
    /// The event was handled before.
    Duplicate,
    /// The event waits: another consumer holds its lease, or the store does not answer (`OnOutage::Closed`).
    Wait(Duration),
    /// The event is handled without a check, because the store does not answer (`OnOutage::Open`).
    Unchecked,
}

/// A lease: the right to handle an event.
pub(crate) struct Lease {
    guard: Guard,
    mark: DedupeMark,
}

impl Guard {
    pub(crate) fn new(dedupe: Dedupe, queue: &Arc<str>, within: Duration) -> Self {
        let count = |name: &'static str| counter!(name, "queue" => Arc::clone(queue));
        Self(Arc::new(Inner {
            dedupe,
            queue: Arc::clone(queue),
            within,
            resting: Mutex::new(None),
            duplicates: count("bloodbank_duplicates_total"),
            busy: count("bloodbank_dedupe_busy_total"),
            unchecked: count("bloodbank_dedupe_unchecked_total"),
            unmarked: count("bloodbank_dedupe_unmarked_total"),
        }))
    }

    /// Acquires the lease on an event; `shortest` and `longer` are rungs of the retry ladder to wait on.
    pub(crate) async fn begin(&self, event_id: Uuid, shortest: Duration, longer: Duration) -> Begun {
        let inner = &*self.0;
        let key = LeaseKey { queue: Arc::clone(&inner.queue), event_id };
        let token = Uuid::new_v4();
        let Dedupe { store, lease, on_outage, .. } = &inner.dedupe;
        match self.ask(store.acquire(&key, token, *lease)).await {
            Ok(Acquired::Leased) => {
                Begun::Leased(Lease { guard: self.clone(), mark: DedupeMark::new(key, token, inner.within) })
            }
            Ok(Acquired::Done) => {
                inner.duplicates.increment(1);
                Begun::Duplicate
            }
            Ok(Acquired::Busy) => {
                inner.busy.increment(1);
                Begun::Wait(shortest)
            }
            Err(_) => {
                inner.unchecked.increment(1);
                match on_outage {
                    OnOutage::Open => Begun::Unchecked,
                    OnOutage::Closed => Begun::Wait(longer),
                }
            }
        }
    }

    /// Calls the store, unless it has just failed.
    async fn ask<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let inner = &*self.0;
        let store = || inner.dedupe.store.describe();
        if self.resting().is_some_and(|until| Instant::now() < until) {
            return Err(Error::new(ErrorKind::Storage, format!("{} failed a moment ago", store())));
        }
        let deadline = inner.dedupe.deadline;
        let answer = match timeout(deadline, call).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::new(ErrorKind::Storage, format!("{} does not answer within {deadline:?}", store()))),
        };
        let mut resting = inner.resting.lock();
        match &answer {
            Ok(_) if resting.take().is_some() => info!(queue = &*inner.queue, "duplicates are recognised again"),
            Ok(_) => {}
            Err(error) => {
                if resting.replace(Instant::now() + REST).is_none() {
                    warn!(
                        queue = &*inner.queue, store = store(), %error, on_outage = ?inner.dedupe.on_outage,
                        "duplicates cannot be recognised; check the store",
                    );
                }
            }
        }
        answer
    }

    fn resting(&self) -> Option<Instant> {
        *self.0.resting.lock()
    }
}

impl Lease {
    /// Runs work and renews the lease meanwhile.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => done,
            () = self.keep() => work.await,
        }
    }

    /// Renews the lease until it is lost.
    async fn keep(&self) {
        let Dedupe { store, lease, .. } = &self.guard.0.dedupe;
        let mut turns = interval(*lease / 3);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first is at once.
        turns.tick().await;
        loop {
            turns.tick().await;
            if let Ok(false) = self.guard.ask(store.renew(self.mark.key(), self.mark.token(), *lease)).await {
                warn!(key = %self.mark.key(), "the lease on an event ended while it was handled: it may be handled twice");
                return;
            }
        }
    }

    /// The mark that is set when the event is done.
    pub(crate) fn mark(&self) -> &DedupeMark {
        &self.mark
    }

    /// Marks the event as done, unless its handler has: after its follow-ups are confirmed, before it is acknowledged.
    pub(crate) async fn done(&self) {
        let (inner, mark) = (&*self.guard.0, &self.mark);
        if mark.is_set_elsewhere() {
            return self.release().await;
        }
        for _ in 0..3 {
            match self.guard.ask(inner.dedupe.store.finish(mark.key(), mark.token(), mark.within())).await {
                // Another has it: he marks it.
                Ok(_) => return,
                Err(error) if error.is_retryable() => sleep(REST).await,
                Err(_) => break,
            }
        }
        // It is done all the same, and what replaces it is confirmed.
        inner.unmarked.increment(1);
    }

    /// Releases the lease: an event that is not marked as done can be handled again.
    pub(crate) async fn release(&self) {
        let store = &self.guard.0.dedupe.store;
        // It ends by itself.
        let _ = self.guard.ask(store.release(self.mark.key(), self.mark.token())).await;
    }
}
