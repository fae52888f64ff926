//! Leases in a Redis that is stopped and started again.

use std::{sync::Arc, time::Duration};

use bloodbank_core::{
    ErrorKind,
    store::{
        Acquired, LeaseKey, LeaseStore,
        redis::{RedisConnection, RedisLeases},
    },
};
use bloodbank_harness::Redis;
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(600);

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
