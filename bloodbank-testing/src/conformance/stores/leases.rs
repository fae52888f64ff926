//! Properties of a [`LeaseStore`].

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{StoreFixture, open, reopen};
use bloodbank_core::store::{Acquired, LeaseKey, LeaseStore};

type Fixture = dyn StoreFixture<dyn LeaseStore>;

/// A lease that does not end while a property runs.
const LONG: Duration = Duration::from_secs(600);

/// Of many who want an event at the same time, one gets the lease.
pub async fn leases_to_one_of_many(fixture: &Fixture) {
    let store = open(fixture).await;
    for _ in 0..20 {
        let key = key("race");
        let racers = (0..16).map(|_| {
            let (store, key) = (Arc::clone(&store), key.clone());
            tokio::spawn(async move { acquire(&*store, &key, Uuid::new_v4(), LONG).await })
        });
        let mut leased = 0;
        for racer in futures_util::future::join_all(racers).await {
            match racer.expect("no panic") {
                Acquired::Leased => leased += 1,
                Acquired::Busy => {}
                Acquired::Done => panic!("nobody has done it"),
            }
        }
        assert_eq!(leased, 1);
    }
}

/// An event that is done is done for everybody, until its time is over.
pub async fn remembers_what_is_done_for_its_time(fixture: &Fixture) {
    let store = open(fixture).await;
    let (key, token, other) = (key("done"), Uuid::new_v4(), Uuid::new_v4());
    assert_eq!(acquire(&*store, &key, token, LONG).await, Acquired::Leased);
    assert_eq!(acquire(&*store, &key, token, LONG).await, Acquired::Leased, "the same token takes it again");
    assert!(store.finish(&key, token, LONG).await.expect("the store answers"));
    assert!(store.finish(&key, token, LONG).await.expect("the store answers"), "twice is no harm");
    for token in [token, other] {
        assert_eq!(acquire(&*store, &key, token, LONG).await, Acquired::Done);
        store.release(&key, token).await.expect("the store answers");
        assert!(!store.renew(&key, token, LONG).await.expect("the store answers"), "what is done is no lease");
    }
    assert_eq!(acquire(&*store, &key, other, LONG).await, Acquired::Done);
    assert!(store.finish(&key, token, Duration::from_millis(100)).await.expect("the store answers"));
    until_leased(fixture, &*store, &key, other).await;
}

/// A lease ends by itself, and lasts while its holder renews it.
pub async fn ends_a_lease_unless_it_is_renewed(fixture: &Fixture) {
    let store = open(fixture).await;
    let (key, token, other) = (key("ends"), Uuid::new_v4(), Uuid::new_v4());
    // Long enough for a machine that is busy with something else.
    let lease = Duration::from_secs(3);
    assert_eq!(acquire(&*store, &key, token, lease).await, Acquired::Leased);
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(450)).await;
        assert!(store.renew(&key, token, lease).await.expect("the store answers"));
        assert_eq!(acquire(&*store, &key, other, LONG).await, Acquired::Busy);
    }
    until_leased(fixture, &*store, &key, other).await;
    assert!(!store.renew(&key, token, LONG).await.expect("the store answers"), "another has it");
    assert!(!store.finish(&key, token, LONG).await.expect("the store answers"), "another has it");
    store.release(&key, token).await.expect("the store answers");
    assert_eq!(acquire(&*store, &key, Uuid::new_v4(), LONG).await, Acquired::Busy);
}

/// Nobody but its holder renews, releases or finishes a lease; whoever did the work may say so when nobody holds it.
pub async fn obeys_the_holder_alone(fixture: &Fixture) {
    let store = open(fixture).await;
    let (key, token, other) = (key("holder"), Uuid::new_v4(), Uuid::new_v4());
    assert!(!store.describe().is_empty(), "messages name the store");
    assert!(!store.renew(&key, token, LONG).await.expect("the store answers"), "nobody has it");
    assert_eq!(acquire(&*store, &key, token, LONG).await, Acquired::Leased);
    store.release(&key, other).await.expect("the store answers");
    assert_eq!(acquire(&*store, &key, other, LONG).await, Acquired::Busy);
    store.release(&key, token).await.expect("the store answers");
    assert_eq!(acquire(&*store, &key, other, LONG).await, Acquired::Leased);
    store.release(&key, other).await.expect("the store answers");
    // Whoever has done the work says so, also when his lease is gone.
    assert!(store.finish(&key, token, LONG).await.expect("the store answers"));
    assert_eq!(acquire(&*store, &key, other, LONG).await, Acquired::Done);
}

/// Leases of one subscriber say nothing about those of another.
pub async fn keeps_subscribers_apart(fixture: &Fixture) {
    let store = open(fixture).await;
    let one = key("one");
    let other = LeaseKey { queue: "other".into(), event_id: one.event_id };
    assert!(store.finish(&one, Uuid::new_v4(), LONG).await.expect("the store answers"));
    assert_eq!(acquire(&*store, &other, Uuid::new_v4(), LONG).await, Acquired::Leased);
}

/// A store that is closed and opened again knows what is done and what is leased.
pub async fn keeps_leases_when_reopened(fixture: &Fixture) {
    let store = open(fixture).await;
    let (done, leased, free) = (key("reopened"), key("reopened"), key("reopened"));
    let token = Uuid::new_v4();
    assert_eq!(acquire(&*store, &leased, token, LONG).await, Acquired::Leased);
    assert!(store.finish(&done, token, LONG).await.expect("the store answers"));
    let store = reopen(fixture, store).await;
    let mut states = Vec::new();
    for key in [&done, &leased, &free] {
        states.push(acquire(&*store, key, Uuid::new_v4(), LONG).await);
    }
    assert_eq!(states, [Acquired::Done, Acquired::Busy, Acquired::Leased]);
    assert!(store.renew(&leased, token, LONG).await.expect("the store answers"), "the holder holds it still");
}

fn key(queue: &str) -> LeaseKey {
    LeaseKey { queue: queue.into(), event_id: Uuid::new_v4() }
}

async fn acquire(store: &dyn LeaseStore, key: &LeaseKey, token: Uuid, lease: Duration) -> Acquired {
    store.acquire(key, token, lease).await.expect("the store answers")
}

async fn until_leased(fixture: &Fixture, store: &dyn LeaseStore, key: &LeaseKey, token: Uuid) {
    let begun = Instant::now();
    while acquire(store, key, token, LONG).await != Acquired::Leased {
        assert!(begun.elapsed() < fixture.timeout(), "its time does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
