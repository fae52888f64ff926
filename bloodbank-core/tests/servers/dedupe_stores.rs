//! Every store that remembers what was handled, and what it remembers after a restart.

use std::{sync::Arc, time::Duration};

use bloodbank_core::{
    ErrorKind, Settings,
    store::{
        Acquired, LeaseKey, LeaseStore,
        memory::MemoryLeases,
        redis::{RedisConnection, RedisLeases},
    },
    transport::Transport,
};
use bloodbank_embedded::Embedded;
use bloodbank_harness::{Redis, shared_redis_url};
use bloodbank_testing::conformance::dedupe_store;
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread")]
async fn memory_remembers() {
    dedupe_store(Arc::new(MemoryLeases::default())).await;
    dedupe_store(Embedded::in_memory().stores(&Settings::default()).leases.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let bus = Embedded::open(&folder.path().join("bus.db")).await.unwrap();
    dedupe_store(bus.stores(&Settings::default()).leases.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_remembers() {
    let url = tokio::task::spawn_blocking(shared_redis_url).await.unwrap();
    dedupe_store(Arc::new(RedisLeases::new(RedisConnection::new(&url.into()).unwrap()))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_remembers_what_was_answered_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus.db");
    let keys: Vec<_> = (0..3).map(|_| LeaseKey { queue: "svc.ship".into(), event_id: Uuid::new_v4() }).collect();
    let token = Uuid::new_v4();
    let bus = Embedded::open(&path).await.unwrap();
    let store = bus.stores(&Settings::default()).leases.unwrap();
    for key in &keys[..2] {
        assert_eq!(store.acquire(key, token, LONG).await.unwrap(), Acquired::Leased);
    }
    assert!(store.finish(&keys[0], token, LONG).await.unwrap());
    bus.close().await;
    assert_eq!(store.acquire(&keys[0], token, LONG).await.unwrap_err().kind(), ErrorKind::Closed);

    let bus = Embedded::open(&path).await.unwrap();
    let store = bus.stores(&Settings::default()).leases.unwrap();
    let mut states = Vec::new();
    for key in &keys {
        states.push(store.acquire(key, Uuid::new_v4(), LONG).await.unwrap());
    }
    assert_eq!(states, [Acquired::Done, Acquired::Busy, Acquired::Leased]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_gone_or_forgets_is_an_error_or_a_blank() {
    let redis = Arc::new(tokio::task::spawn_blocking(|| Redis::start().unwrap()).await.unwrap());
    let url = redis.url();
    let store = RedisLeases::new(RedisConnection::new(&url.clone().into()).unwrap());
    let (key, token) = (LeaseKey { queue: "svc.ship".into(), event_id: Uuid::new_v4() }, Uuid::new_v4());
    assert!(store.finish(&key, token, LONG).await.unwrap());
    let (stopped, again) = (Arc::clone(&redis), Arc::clone(&redis));
    tokio::task::spawn_blocking(move || stopped.kill().unwrap()).await.unwrap();
    let error = store.acquire(&key, token, LONG).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
    tokio::task::spawn_blocking(move || again.start_again().unwrap()).await.unwrap();
    // It is empty now: the event is handled again, not skipped.
    let begun = std::time::Instant::now();
    loop {
        match store.acquire(&key, token, LONG).await {
            Ok(acquired) => break assert_eq!(acquired, Acquired::Leased),
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(30), "{error}"),
        }
    }
}
