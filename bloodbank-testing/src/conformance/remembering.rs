//! What every [`LeaseStore`] does.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use bloodbank_core::store::{Acquired, LeaseKey, LeaseStore};

/// A lease that does not end while a property runs.
const LONG: Duration = Duration::from_secs(600);

fn key(queue: &str) -> LeaseKey {
    LeaseKey { queue: queue.into(), event_id: Uuid::new_v4() }
}

async fn acquire(store: &dyn LeaseStore, key: &LeaseKey, token: Uuid, lease: Duration) -> Acquired {
    store.acquire(key, token, lease).await.expect("the store answers")
}

/// Runs every property of a store that remembers what was handled. The store may be shared.
///
/// # Panics
/// When a property does not hold.
pub async fn dedupe_store(store: Arc<dyn LeaseStore>) {
    one_of_many_gets_the_lease(&store).await;
    what_is_done_stays_done_for_its_time(&*store).await;
    a_lease_ends_by_itself_unless_it_is_renewed(&*store).await;
    only_the_holder_renews_releases_and_finishes(&*store).await;
    subscribers_do_not_share(&*store).await;
}

async fn one_of_many_gets_the_lease(store: &Arc<dyn LeaseStore>) {
    for _ in 0..20 {
        let key = key("race");
        let racers = (0..16).map(|_| {
            let (store, key) = (Arc::clone(store), key.clone());
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

async fn what_is_done_stays_done_for_its_time(store: &dyn LeaseStore) {
    let (key, token, other) = (key("done"), Uuid::new_v4(), Uuid::new_v4());
    assert_eq!(acquire(store, &key, token, LONG).await, Acquired::Leased);
    assert_eq!(acquire(store, &key, token, LONG).await, Acquired::Leased, "the same token takes it again");
    assert!(store.finish(&key, token, LONG).await.expect("the store answers"));
    assert!(store.finish(&key, token, LONG).await.expect("the store answers"), "twice is no harm");
    for token in [token, other] {
        assert_eq!(acquire(store, &key, token, LONG).await, Acquired::Done);
        store.release(&key, token).await.expect("the store answers");
        assert!(!store.renew(&key, token, LONG).await.expect("the store answers"), "what is done is no lease");
    }
    assert_eq!(acquire(store, &key, other, LONG).await, Acquired::Done);
    assert!(store.finish(&key, token, Duration::from_millis(100)).await.expect("the store answers"));
    until_leased(store, &key, other).await;
}

async fn a_lease_ends_by_itself_unless_it_is_renewed(store: &dyn LeaseStore) {
    let (key, token, other) = (key("ends"), Uuid::new_v4(), Uuid::new_v4());
    // Long enough for a machine that is busy with something else.
    let lease = Duration::from_millis(1_500);
    assert_eq!(acquire(store, &key, token, lease).await, Acquired::Leased);
    for _ in 0..7 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert!(store.renew(&key, token, lease).await.expect("the store answers"));
        assert_eq!(acquire(store, &key, other, LONG).await, Acquired::Busy);
    }
    until_leased(store, &key, other).await;
    assert!(!store.renew(&key, token, LONG).await.expect("the store answers"), "another has it");
    assert!(!store.finish(&key, token, LONG).await.expect("the store answers"), "another has it");
    store.release(&key, token).await.expect("the store answers");
    assert_eq!(acquire(store, &key, Uuid::new_v4(), LONG).await, Acquired::Busy);
}

async fn only_the_holder_renews_releases_and_finishes(store: &dyn LeaseStore) {
    let (key, token, other) = (key("holder"), Uuid::new_v4(), Uuid::new_v4());
    assert!(!store.renew(&key, token, LONG).await.expect("the store answers"), "nobody has it");
    assert_eq!(acquire(store, &key, token, LONG).await, Acquired::Leased);
    store.release(&key, other).await.expect("the store answers");
    assert_eq!(acquire(store, &key, other, LONG).await, Acquired::Busy);
    store.release(&key, token).await.expect("the store answers");
    assert_eq!(acquire(store, &key, other, LONG).await, Acquired::Leased);
    store.release(&key, other).await.expect("the store answers");
    // Whoever has done the work says so, also when his lease is gone.
    assert!(store.finish(&key, token, LONG).await.expect("the store answers"));
    assert_eq!(acquire(store, &key, other, LONG).await, Acquired::Done);
}

async fn subscribers_do_not_share(store: &dyn LeaseStore) {
    let one = key("one");
    let other = LeaseKey { queue: "other".into(), event_id: one.event_id };
    assert!(store.finish(&one, Uuid::new_v4(), LONG).await.expect("the store answers"));
    assert_eq!(acquire(store, &other, Uuid::new_v4(), LONG).await, Acquired::Leased);
}

async fn until_leased(store: &dyn LeaseStore, key: &LeaseKey, token: Uuid) {
    let begun = std::time::Instant::now();
    while acquire(store, key, token, LONG).await != Acquired::Leased {
        assert!(begun.elapsed() < Duration::from_secs(60), "its time does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
