//! The correlation index in the file.

use chrono::Utc;
use uuid::Uuid;

use crate::sqlite::{links::FileLinks, tests::*};
use bloodbank_core::{correlation::CorrelationTracker, store::CausationLink};

const MONTH: Duration = Duration::from_secs(30 * 86_400);

fn index(bench: &Bench, lifetime: Duration) -> CorrelationTracker {
    let path = bench.folder.path().join("bus.db");
    let index = FileLinks::new(&bench.bus.engine, &path, lifetime);
    CorrelationTracker::direct(Arc::new(index))
}

fn record(tracker: &CorrelationTracker, child: Uuid, parents: &[Uuid]) {
    let link = CausationLink {
        child,
        parents: parents.to_vec(),
        event_type: Some("a.b".into()),
        created_at: Utc::now(),
        app: None,
        metadata: None,
    };
    assert!(tracker.record(link).is_none(), "nobody waits for it");
}

#[tokio::test]
async fn a_link_is_kept_with_the_publish_that_follows() {
    let mut bench = Bench::new().await;
    let tracker = index(&bench, MONTH);
    let (parent, child) = (Uuid::new_v4(), Uuid::new_v4());
    record(&tracker, child, &[parent]);
    bench.publish("a.b", "1").await.unwrap();
    assert_eq!(bench.number("SELECT count(*) FROM links"), 1, "confirmed, so kept");
    bench.kill([]).await;
    let tracker = index(&bench, MONTH);
    assert_eq!(tracker.parents(child).await.unwrap(), [parent]);
    assert_eq!(tracker.children(parent).await.unwrap(), [child]);
}

#[tokio::test]
async fn links_expire_and_are_forgotten() {
    let mut bench = Bench::new().await;
    let [parent, first, second, other] = std::array::from_fn(|_| Uuid::new_v4());
    record(&index(&bench, Duration::ZERO), first, &[parent]);
    record(&index(&bench, Duration::ZERO), second, &[parent, other]);
    let tracker = index(&bench, MONTH);
    record(&tracker, second, &[parent]);
    assert_eq!(tracker.entry(first).await.unwrap(), None);
    assert_eq!(tracker.parents(second).await.unwrap(), [parent]);
    assert_eq!(tracker.children(parent).await.unwrap(), [second]);
    assert!(tracker.children(other).await.unwrap().is_empty());
    bench.reopen().await;
    assert_eq!(bench.number("SELECT count(*) FROM links"), 1);
    assert_eq!(bench.number("SELECT count(*) FROM children"), 1);
    assert_eq!(index(&bench, MONTH).children(parent).await.unwrap(), [second]);
}

#[tokio::test]
async fn the_index_goes_on_after_everything_was_forgotten() {
    let mut bench = Bench::new().await;
    let [parent, first, second] = std::array::from_fn(|_| Uuid::new_v4());
    let tracker = index(&bench, Duration::ZERO);
    record(&tracker, first, &[parent]);
    tracker.flush().await;
    bench.reopen().await;
    assert_eq!(bench.number("SELECT count(*) FROM links"), 0);
    assert_eq!(bench.number("SELECT count(*) FROM link_numbers"), 0);
    let tracker = index(&bench, MONTH);
    record(&tracker, second, &[parent]);
    assert_eq!(tracker.children(parent).await.unwrap(), [second]);
}

#[tokio::test]
async fn a_link_that_cannot_be_kept_is_counted_and_said() {
    let bench = Bench::new().await;
    let tracker = index(&bench, MONTH);
    let [parent, child, later] = std::array::from_fn(|_| Uuid::new_v4());
    bench.with_connection(|connection| connection.pragma_update(None, "query_only", true).unwrap());
    let error = tracker.link(parent, child, "by hand").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(tracker.dump(child).await.unwrap().may_be_incomplete);
    assert_eq!(tracker.health().missed, 1);
    bench.with_connection(|connection| connection.pragma_update(None, "query_only", false).unwrap());
    tracker.link(child, later, "by hand").await.unwrap();
    assert!(!tracker.dump(later).await.unwrap().may_be_incomplete);

    bench.bus.close().await;
    assert_eq!(tracker.parents(later).await.unwrap_err().kind(), ErrorKind::Closed);
    tracker.flush().await;
}

#[tokio::test]
async fn broken_rows_are_named_and_walked_around() {
    let bench = Bench::new().await;
    let tracker = index(&bench, MONTH);
    let (parent, child) = (Uuid::new_v4(), Uuid::new_v4());
    record(&tracker, child, &[parent]);
    tracker.flush().await;
    bench.with_connection(|connection| {
        connection.execute("UPDATE links SET parents = x'0102'", ()).unwrap();
        connection.execute("INSERT INTO children SELECT parent, x'03', expires_at FROM children", ()).unwrap();
    });
    let error = tracker.parents(child).await.unwrap_err();
    assert!(error.to_string().contains(&format!("links/{child}")), "{error}");
    assert_eq!(tracker.children(parent).await.unwrap(), [child]);
}
