//! The claim check itself: puts payloads into a store and takes them out again.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Claim, ClaimError};
use crate::{
    settings::ClaimStoreKind,
    store::{ClaimStore, LONGEST_KEY, Lookup, memory::MemoryClaims},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;
/// The capacity for payloads in memory, in bytes.
const MEMORY: usize = 256 * MIB;

/// A claim store with its rules: how long payloads are kept, from which size on, and up to which size. Cheap to clone.
#[derive(Clone)]
pub struct ClaimCheck {
    store: Arc<dyn ClaimStore>,
    ttl: Duration,
    threshold: usize,
    limit: usize,
}

impl ClaimCheck {
    /// Creates a claim check with a store; payloads are kept for 30 days, from 64 KiB on ([`Large`](super::Large)), up
    /// to 64 MiB.
    pub fn new(store: impl ClaimStore) -> Self {
        Self::in_store(Arc::new(store))
    }

    pub(crate) fn in_store(store: Arc<dyn ClaimStore>) -> Self {
        Self { store, ttl: 30 * DAY, threshold: 64 * KIB, limit: 64 * MIB }
    }

    /// Creates a claim check in the memory of this process, up to 256 MiB.
    #[must_use]
    pub fn memory() -> Self {
        Self::new(MemoryClaims::new(MEMORY))
    }

    /// Sets how long payloads are kept; at least a millisecond.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl.max(Duration::from_millis(1));
        self
    }

    /// Sets the size in bytes up to which a [`Large`](super::Large) stays in its event.
    #[must_use]
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Sets the largest size of a payload, in bytes.
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// The kind of the store, as references name it.
    #[must_use]
    pub fn kind(&self) -> ClaimStoreKind {
        self.store.kind()
    }

    /// Whether a text of this many bytes goes into the store rather than into its event.
    #[must_use]
    pub fn takes(&self, bytes: usize) -> bool {
        bytes > self.threshold
    }

    /// Puts a payload into the store, replacing an existing one; returns the reference that goes into the event.
    ///
    /// # Errors
    /// [`ClaimError::BadKey`], [`ClaimError::TooLarge`], [`ClaimError::Store`].
    pub async fn put(&self, key: impl Into<String>, payload: impl Into<Bytes>) -> Result<Claim, ClaimError> {
        let (key, payload) = (key.into(), payload.into());
        check(&key)?;
        if payload.len() > self.limit {
            return Err(ClaimError::TooLarge { key, limit: self.limit });
        }
        self.store.put(&key, payload, self.ttl).await?;
        Ok(Claim { cache_key: key, cache_type: self.kind() })
    }

    /// Returns the payload that a reference stands for.
    ///
    /// # Errors
    /// [`ClaimError`]: missing, expired, in another store, too large, or the store failed.
    pub async fn get(&self, claim: &Claim) -> Result<Bytes, ClaimError> {
        let (key, store) = (self.key(claim)?, self.kind());
        match self.store.get(&key, self.limit).await? {
            Lookup::Payload(payload) => Ok(payload),
            Lookup::TooLarge => Err(ClaimError::TooLarge { key, limit: self.limit }),
            Lookup::Expired => Err(ClaimError::Expired { key, store }),
            Lookup::Nothing => Err(ClaimError::Missing { key, store }),
        }
    }

    /// Returns the text that a reference stands for.
    ///
    /// # Errors
    /// Like [`ClaimCheck::get`], and [`ClaimError::NotText`].
    pub async fn get_text(&self, claim: &Claim) -> Result<String, ClaimError> {
        let payload = self.get(claim).await?;
        String::from_utf8(payload.into()).map_err(|_| ClaimError::NotText { key: claim.cache_key.clone() })
    }

    /// Removes the payload that a reference stands for, if it is still there.
    ///
    /// # Errors
    /// [`ClaimError::OtherStore`], [`ClaimError::BadKey`], [`ClaimError::Store`].
    pub async fn remove(&self, claim: &Claim) -> Result<(), ClaimError> {
        Ok(self.store.remove(&self.key(claim)?).await?)
    }

    fn key(&self, claim: &Claim) -> Result<String, ClaimError> {
        let key = claim.cache_key.clone();
        let (wanted, here) = (claim.cache_type, self.kind());
        if wanted != here {
            return Err(ClaimError::OtherStore { key, wanted, here });
        }
        check(&key)?;
        Ok(key)
    }
}

fn check(key: &str) -> Result<(), ClaimError> {
    if key.is_empty() || key.len() > LONGEST_KEY || key.chars().any(char::is_control) {
        return Err(ClaimError::BadKey { key: key.chars().take(80).collect() });
    }
    Ok(())
}

impl fmt::Debug for ClaimCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimCheck")
            .field("store", &self.kind())
            .field("ttl", &self.ttl)
            .field("threshold", &self.threshold)
            .field("limit", &self.limit)
            .finish()
    }
}
