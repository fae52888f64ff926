//! How long publishers wait for a slow store, in virtual time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bloodbank_core::{
    Result,
    correlation::{CorrelationTracker, Recording},
    store::{BatchRead, CausationLink, LinkEntry, LinkStore, MalformedEntry},
};
use futures_util::future::{BoxFuture, join_all};
use tokio::time::Instant;
use uuid::Uuid;

/// Takes its time for every write and every probe.
#[derive(Default)]
struct Slow {
    millis: AtomicU64,
    writes: AtomicUsize,
    links: Mutex<Vec<Uuid>>,
}

impl Slow {
    fn take(&self, millis: u64) {
        self.millis.store(millis, Ordering::SeqCst);
    }

    async fn pause(&self) {
        tokio::time::sleep(Duration::from_millis(self.millis.load(Ordering::SeqCst))).await;
    }
}

impl LinkStore for Slow {
    fn describe(&self) -> String {
        "a slow store".to_owned()
    }

    fn write<'a>(&'a self, links: &'a [CausationLink]) -> BoxFuture<'a, Result<Vec<MalformedEntry>>> {
        Box::pin(async move {
            self.pause().await;
            self.writes.fetch_add(1, Ordering::SeqCst);
            self.links.lock().unwrap().extend(links.iter().map(|link| link.child));
            Ok(Vec::new())
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.pause().await;
            Ok(())
        })
    }

    fn find(&self, _: Uuid, _: Uuid, _: usize) -> BoxFuture<'_, Result<Vec<Uuid>>> {
        unreachable!("nobody asks")
    }

    fn time(&self) -> BoxFuture<'_, Result<Option<chrono::DateTime<chrono::Utc>>>> {
        unreachable!("nobody asks")
    }

    fn entries<'a>(&'a self, _: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Option<LinkEntry>>>> {
        unreachable!("nobody asks")
    }

    fn children<'a>(&'a self, _: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Vec<Uuid>>>> {
        unreachable!("nobody asks")
    }
}

async fn tracker() -> (Arc<Slow>, CorrelationTracker) {
    let store = Arc::new(Slow::default());
    let tracker = CorrelationTracker::with_store(Arc::clone(&store) as _).await;
    (store, tracker)
}

/// Records so many links at once.
fn record(tracker: &CorrelationTracker, count: usize) -> Vec<Recording> {
    let link = |_| CausationLink {
        child: Uuid::new_v4(),
        parents: Vec::new(),
        event_type: None,
        created_at: chrono::Utc::now(),
        app: None,
        metadata: None,
    };
    (0..count).filter_map(|number| tracker.record(link(number))).collect()
}

/// Records so many links at once; returns how long the slowest of them was waited for.
async fn publish(tracker: &CorrelationTracker, count: usize) -> Duration {
    let begun = Instant::now();
    join_all(record(tracker, count)).await;
    begun.elapsed()
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn many_links_go_in_few_writes() {
    let (store, tracker) = tracker().await;
    store.take(10);
    let took = publish(&tracker, 1_000).await;
    assert_eq!(took.as_millis(), 40, "nothing waits for more where somebody waits for it");
    assert_eq!(store.writes.load(Ordering::SeqCst), 4, "256 at once");
}

/// Whoever publishes still waits for the confirm: so many links, then so many after some milliseconds. How long it took, and
/// how many writes.
async fn unawaited(links: usize, after: u64, more: usize) -> (u128, usize) {
    let (store, tracker) = tracker().await;
    store.take(10);
    let begun = Instant::now();
    record(&tracker, links);
    // The task begins with what there is.
    tokio::time::sleep(Duration::from_millis(after)).await;
    record(&tracker, more);
    tracker.flush().await;
    (begun.elapsed().as_millis(), store.writes.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_nobody_waits_for_waits_for_more_but_not_for_long() {
    // A batch and 44 links. After 11 ms there are enough; never; too late.
    assert_eq!(unawaited(300, 11, 212).await, (21, 2));
    assert_eq!(unawaited(300, 11, 1).await, (25, 2));
    assert_eq!(unawaited(300, 16, 1).await, (40, 3));
}

#[tokio::test(start_paused = true)]
async fn a_backlog_holds_nobody_up_for_more_than_a_second_and_loses_nothing() {
    let (store, tracker) = tracker().await;
    store.take(500);
    assert!(publish(&tracker, 2_048).await <= SECOND);
    let health = tracker.health();
    assert!(health.available && health.missed == 0, "{health:?}");
    tracker.flush().await;
    assert_eq!(store.links.lock().unwrap().len(), 2_048);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_without_end_is_cut_and_counted() {
    let (store, tracker) = tracker().await;
    store.take(500);
    assert!(publish(&tracker, 100_000).await <= SECOND);
    tracker.flush().await;
    let missed = tracker.health().missed as usize;
    assert!(missed > 0 && tracker.health().available);
    assert_eq!(store.links.lock().unwrap().len() + missed, 100_000);
}

#[tokio::test(start_paused = true)]
async fn a_write_of_more_than_a_second_opens_the_breaker_until_the_store_is_quick_again() {
    let (store, tracker) = tracker().await;
    store.take(2_000);
    assert!(publish(&tracker, 1_000).await <= SECOND);
    assert_eq!(publish(&tracker, 1_000).await, Duration::ZERO);
    let health = tracker.health();
    assert_eq!((health.available, health.missed), (false, 2_000));
    store.take(10);
    let begun = Instant::now();
    while !tracker.health().available {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(begun.elapsed() < 5 * SECOND);
    }
    assert_eq!(publish(&tracker, 256).await, Duration::from_millis(10));
    assert_eq!(tracker.health().missed, 2_000);
}
