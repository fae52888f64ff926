//! The answers to requests with an `Idempotency-Key`, for those that are sent again.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::http::{HeaderMap, Uri, header};
use bloodbank_core::{
    Bus,
    claim_check::{Claim, ClaimCheck, ClaimError},
};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::OwnedMutexGuard;
use tracing::warn;

use crate::problem::Problem;

/// The time for which an answer is kept.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The answer to a request that published an event, as it is kept.
#[derive(Debug, Clone)]
pub(crate) struct StoredAnswer {
    /// JSON.
    pub(crate) body: Bytes,
    pub(crate) location: Option<String>,
    pub(crate) unrouted: Option<bool>,
}

/// What the store keeps under a key.
#[derive(Serialize, Deserialize)]
struct Entry {
    fingerprint: String,
    body: String,
    location: Option<String>,
    unrouted: Option<bool>,
}

/// The answers of the last 24 hours, in the claim store of the bus.
#[derive(Default)]
pub(crate) struct Answers {
    store: OnceLock<ClaimCheck>,
    /// Held by the request that is answered, so that one that comes meanwhile waits for its answer.
    turns: Arc<Mutex<Turns>>,
}

type Turns = HashMap<String, Arc<tokio::sync::Mutex<()>>>;

/// A request with a key: answered before, or to be answered now.
pub(crate) enum Begun {
    Answered(StoredAnswer),
    First(Turn),
}

/// The turn of the first request with a key.
pub(crate) struct Turn {
    name: String,
    fingerprint: String,
    store: ClaimCheck,
    _place: Place,
}

/// The place of a request among those with the same key.
struct Place {
    name: String,
    turns: Arc<Mutex<Turns>>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut turns = self.turns.lock();
        self.guard = None;
        // Nobody else waits.
        if turns.get(&self.name).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.name);
        }
    }
}

impl Answers {
    /// Waits for the turn of a request of this client.
    pub(crate) async fn begin(
        &self,
        bus: &Bus,
        client: &str,
        key: &str,
        fingerprint: String,
    ) -> Result<Begun, Problem> {
        let store = match self.store.get() {
            Some(store) => store,
            None => {
                let store = ClaimCheck::from_settings(bus.settings())?.ttl(LIFETIME);
                self.store.get_or_init(|| store)
            }
        };
        let exchange = bus.exchange();
        let name = format!("idempotency/{}", hex(&Sha256::digest(format!("{exchange}\n{client}\n{key}"))));
        let turn = Arc::clone(self.turns.lock().entry(name.clone()).or_default());
        let guard = turn.lock_owned().await;
        let place = Place { name: name.clone(), turns: Arc::clone(&self.turns), guard: Some(guard) };
        match load(store, &name).await {
            Some(Entry { fingerprint: first, body, location, unrouted }) if first == fingerprint => {
                Ok(Begun::Answered(StoredAnswer { body: body.into(), location, unrouted }))
            }
            Some(_) => Err(Problem::reused_key()),
            None => Ok(Begun::First(Turn { name, fingerprint, store: store.clone(), _place: place })),
        }
    }
}

impl Turn {
    /// Keeps the answer. Where the store fails, a repeated request publishes the same event again, with the same id.
    pub(crate) async fn finish(self, answer: &StoredAnswer) {
        let StoredAnswer { body, location, unrouted } = answer.clone();
        let body = String::from_utf8_lossy(&body).into_owned();
        let entry = Entry { fingerprint: self.fingerprint, body, location, unrouted };
        let Ok(text) = serde_json::to_vec(&entry) else { return };
        if let Err(error) = self.store.put(self.name, Bytes::from(text)).await {
            warn!(%error, "the answer to a request with an `Idempotency-Key` is not kept");
        }
    }
}

async fn load(store: &ClaimCheck, name: &str) -> Option<Entry> {
    let claim = Claim { cache_key: name.to_owned(), cache_type: store.kind() };
    match store.get(&claim).await {
        Ok(text) => serde_json::from_slice(&text).ok(),
        Err(ClaimError::Missing { .. } | ClaimError::Expired { .. }) => None,
        Err(error) => {
            warn!(%error, "the answer to a request with an `Idempotency-Key` cannot be looked up");
            None
        }
    }
}

/// The fingerprint of a request: what makes another request of it. The trace is not among it, because a client that tries
/// again may begin another one.
pub(crate) fn fingerprint(uri: &Uri, headers: &HeaderMap, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    add(uri.path().as_bytes());
    add(uri.query().unwrap_or_default().as_bytes());
    let counts = |name: &str| {
        [header::CONTENT_TYPE.as_str(), "event-id", "correlation-ids"].contains(&name) || name.starts_with("ce-")
    };
    let mut counted: Vec<_> = headers.iter().filter(|(name, _)| counts(name.as_str())).collect();
    counted.sort_by_key(|(name, _)| name.as_str());
    for (name, value) in counted {
        add(name.as_str().as_bytes());
        add(value.as_bytes());
    }
    add(body);
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
