//! Claims with a fault.

use std::{sync::Arc, time::Duration};

use bloodbank_core::{
    Result,
    settings::ClaimStoreKind,
    store::{ClaimStore, Lookup, memory::MemoryClaims},
};
use bloodbank_testing::conformance::stores::StoreFixture;
use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Faulty, TIMEOUT};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimFault {
    KeepsWhatIsRemoved,
    TrimsPayloads,
    KeepsTheFirst,
    KeepsTheFirstTime,
    CutsPayloads,
    IgnoresLimits,
    RefusesTheLimit,
    NeverEnds,
    IgnoresCase,
    TrimsKeys,
    CutsKeys,
    WritesInParts,
    ForgetsWhenReopened,
}

struct FaultyClaims {
    fault: ClaimFault,
    inner: Arc<MemoryClaims>,
}

impl StoreFixture<dyn ClaimStore> for Faulty<ClaimFault, MemoryClaims> {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn ClaimStore>>> {
        Box::pin(async {
            let new = || Arc::new(MemoryClaims::new(64 * 1024 * 1024));
            let kept = Arc::clone(self.inner.get_or_init(new));
            let inner = if self.fault == ClaimFault::ForgetsWhenReopened { new() } else { kept };
            Ok(Arc::new(FaultyClaims { fault: self.fault, inner }) as _)
        })
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }
}

impl FaultyClaims {
    fn key(&self, key: &str) -> String {
        match self.fault {
            ClaimFault::IgnoresCase => key.to_lowercase(),
            ClaimFault::TrimsKeys => key.trim_matches(|c: char| !c.is_alphanumeric()).to_owned(),
            ClaimFault::CutsKeys => key.chars().take(255).collect(),
            _ => key.to_owned(),
        }
    }
}

impl ClaimStore for FaultyClaims {
    fn kind(&self) -> ClaimStoreKind {
        ClaimStoreKind::Memory
    }

    fn put<'a>(&'a self, key: &'a str, mut payload: Bytes, mut ttl: Duration) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let key = self.key(key);
            let before = self.inner.get(&key, usize::MAX).await?;
            match self.fault {
                ClaimFault::TrimsPayloads => payload = Bytes::copy_from_slice(payload.trim_ascii()),
                ClaimFault::CutsPayloads => payload.truncate(1024 * 1024),
                ClaimFault::KeepsTheFirst if matches!(before, Lookup::Payload(_)) => return Ok(()),
                ClaimFault::KeepsTheFirstTime if matches!(before, Lookup::Payload(_)) => {
                    ttl = Duration::from_millis(200);
                }
                ClaimFault::NeverEnds => ttl *= 1_000,
                ClaimFault::WritesInParts => {
                    self.inner.put(&key, payload.slice(..payload.len() / 2), ttl).await?;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                _ => {}
            }
            self.inner.put(&key, payload, ttl).await
        })
    }

    fn get<'a>(&'a self, key: &'a str, limit: usize) -> BoxFuture<'a, Result<Lookup>> {
        Box::pin(async move {
            let limit = match self.fault {
                ClaimFault::IgnoresLimits => usize::MAX,
                ClaimFault::RefusesTheLimit => limit.saturating_sub(1),
                _ => limit,
            };
            self.inner.get(&self.key(key), limit).await
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            match self.fault {
                ClaimFault::KeepsWhatIsRemoved => Ok(()),
                _ => self.inner.remove(&self.key(key)).await,
            }
        })
    }
}
