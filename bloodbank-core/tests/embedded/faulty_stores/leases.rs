//! Leases with a fault.

use std::{sync::Arc, time::Duration};

use bloodbank_core::{
    Result,
    store::{Acquired, LeaseKey, LeaseStore, memory::MemoryLeases},
};
use bloodbank_testing::conformance::stores::StoreFixture;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use uuid::Uuid;

use super::{Faulty, TIMEOUT};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseFault {
    LeasesToAll,
    ForgetsWhatIsDone,
    NeverEnds,
    IgnoresRenewals,
    RenewsForAll,
    FinishesForAll,
    ReleasesForAll,
    RefusesLateFinishes,
    IgnoresQueues,
    ForgetsWhenReopened,
}

struct FaultyLeases {
    fault: LeaseFault,
    inner: Arc<MemoryLeases>,
    /// The token of the last lease.
    holder: Mutex<Option<Uuid>>,
}

impl StoreFixture<dyn LeaseStore> for Faulty<LeaseFault, MemoryLeases> {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn LeaseStore>>> {
        Box::pin(async {
            let kept = Arc::clone(self.inner.get_or_init(Arc::default));
            let inner = if self.fault == LeaseFault::ForgetsWhenReopened { Arc::default() } else { kept };
            Ok(Arc::new(FaultyLeases { fault: self.fault, inner, holder: Mutex::default() }) as _)
        })
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }
}

impl FaultyLeases {
    fn is(&self, fault: LeaseFault) -> bool {
        self.fault == fault
    }

    fn lasting(&self, lasting: Duration) -> Duration {
        if self.is(LeaseFault::NeverEnds) { lasting * 1_000 } else { lasting }
    }

    fn key(&self, key: &LeaseKey) -> LeaseKey {
        let queue = if self.is(LeaseFault::IgnoresQueues) { "".into() } else { Arc::clone(&key.queue) };
        LeaseKey { queue, event_id: key.event_id }
    }
}

impl LeaseStore for FaultyLeases {
    fn describe(&self) -> String {
        "faulty".to_owned()
    }

    fn acquire<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<Acquired>> {
        Box::pin(async move {
            let acquired = self.inner.acquire(&self.key(key), token, self.lasting(lease)).await?;
            if acquired == Acquired::Leased {
                *self.holder.lock() = Some(token);
            }
            Ok(match (self.fault, acquired) {
                (LeaseFault::LeasesToAll, Acquired::Busy) | (LeaseFault::ForgetsWhatIsDone, Acquired::Done) => {
                    Acquired::Leased
                }
                (_, acquired) => acquired,
            })
        })
    }

    fn renew<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            match self.fault {
                LeaseFault::RenewsForAll => Ok(true),
                LeaseFault::IgnoresRenewals => {
                    // Held under this token, but for no longer than before.
                    self.inner.renew(&self.key(key), token, Duration::from_millis(1)).await
                }
                _ => self.inner.renew(&self.key(key), token, self.lasting(lease)).await,
            }
        })
    }

    fn finish<'a>(&'a self, key: &'a LeaseKey, token: Uuid, within: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            let key = self.key(key);
            if self.is(LeaseFault::RefusesLateFinishes) && !self.inner.renew(&key, token, within).await? {
                return Ok(false);
            }
            let finished = self.inner.finish(&key, token, self.lasting(within)).await?;
            Ok(finished || self.is(LeaseFault::FinishesForAll))
        })
    }

    fn release<'a>(&'a self, key: &'a LeaseKey, token: Uuid) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let key = self.key(key);
            let holder = self.holder.lock().filter(|_| self.is(LeaseFault::ReleasesForAll));
            self.inner.release(&key, holder.unwrap_or(token)).await
        })
    }
}
