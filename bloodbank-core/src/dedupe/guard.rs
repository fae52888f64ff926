//! A subscriber's access to the lease store: every call ends by its deadline, and a store that has failed is left alone
//! for a moment.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
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
/// The longest time of a handler beside which asking the store counts.
const QUICK: Duration = Duration::from_millis(10);
/// The largest number of events whose leases are acquired ahead: a process that dies leaves so many to others only when
/// their leases have ended.
const MOST_AHEAD: usize = 32;

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

/// A question that was put to the store before the turn of an event. Whoever asks again does so under the same token: a lease
/// that was taken, but of which nothing was heard, is theirs.
pub(crate) struct Asked {
    token: Uuid,
    at: Instant,
    /// `None`: the store has not answered.
    acquired: Option<Acquired>,
}

/// A lease: the right to handle an event.
#[derive(Clone)]
pub(crate) struct Lease {
    guard: Guard,
    mark: DedupeMark,
}

impl Guard {
    pub(crate) fn new(dedupe: Dedupe, queue: &Arc<str>, within: Duration) -> Self {
        Self(Arc::new(Inner {
            dedupe,
            queue: Arc::clone(queue),
            within,
            resting: Mutex::new(None),
            duplicates: counter!("bloodbank_duplicates_total", "queue" => Arc::clone(queue)),
            busy: counter!("bloodbank_dedupe_busy_total", "queue" => Arc::clone(queue)),
            unchecked: counter!("bloodbank_dedupe_unchecked_total", "queue" => Arc::clone(queue)),
            unmarked: counter!("bloodbank_dedupe_unmarked_total", "queue" => Arc::clone(queue)),
        }))
    }

    /// The number of events whose leases are acquired ahead of their turns where each takes so long: they are all over before
    /// a lease is to be renewed. Beside a handler that takes its time, asking at its turn costs nothing.
    pub(crate) fn ahead(&self, each: Duration) -> usize {
        if each > QUICK {
            return 0;
        }
        let turns = (self.0.dedupe.lease / 3).as_nanos() / each.as_nanos().max(1);
        usize::try_from(turns).map_or(MOST_AHEAD, |turns| turns.min(MOST_AHEAD))
    }

    /// Asks for the lease on an event before its turn. A store that does not answer is asked again then, and complained about
    /// then: the handler before may hold what the store needs.
    pub(crate) async fn ask_ahead(&self, event_id: Uuid) -> Option<Asked> {
        if self.resting().is_some() {
            return None;
        }
        let Dedupe { store, lease, deadline, .. } = &self.0.dedupe;
        let (token, at) = (Uuid::new_v4(), Instant::now());
        let answer = timeout(*deadline, store.acquire(&self.key(event_id), token, *lease)).await;
        Some(Asked { token, at, acquired: answer.ok().and_then(Result::ok) })
    }

    /// Gives back what was asked for ahead, and is not handled here.
    pub(crate) async fn give_back(&self, event_id: Uuid, asked: Asked) {
        if !matches!(asked.acquired, Some(Acquired::Done | Acquired::Busy)) {
            // It ends by itself.
            let _ = self.ask(self.0.dedupe.store.release(&self.key(event_id), asked.token)).await;
        }
    }

    fn key(&self, event_id: Uuid) -> LeaseKey {
        LeaseKey { queue: Arc::clone(&self.0.queue), event_id }
    }

    /// Acquires the lease on an event whose turn it is; `shortest` and `longer` are rungs of the retry ladder to wait on.
    pub(crate) async fn begin(
        &self,
        event_id: Uuid,
        asked: Option<Asked>,
        shortest: Duration,
        longer: Duration,
    ) -> Begun {
        let inner = &*self.0;
        let key = self.key(event_id);
        let Dedupe { store, lease, on_outage, .. } = &inner.dedupe;
        let token = asked.as_ref().map_or_else(Uuid::new_v4, |asked| asked.token);
        let known = asked.and_then(|asked| match asked.acquired? {
            Acquired::Done => Some(Acquired::Done),
            Acquired::Leased => (asked.at.elapsed() < *lease / 3).then_some(Acquired::Leased),
            // Perhaps not any more.
            Acquired::Busy => None,
        });
        let acquired = match known {
            Some(known) => Ok(known),
            None => self.ask(store.acquire(&key, token, *lease)).await,
        };
        match acquired {
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
    /// Runs work and renews the leases meanwhile.
    pub(crate) async fn during_all<T>(leases: &[Self], work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        match leases {
            [] => work.await,
            [lease] => tokio::select! {
                biased;
                done = &mut work => done,
                () = lease.keep() => work.await,
            },
            leases => tokio::select! {
                biased;
                done = &mut work => done,
                _ = join_all(leases.iter().map(Self::keep)) => work.await,
            },
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
