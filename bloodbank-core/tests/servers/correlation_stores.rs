//! What every store does alike: each body runs in memory, in a file and against Redis.

use std::{collections::HashSet, sync::Arc};

use bloodbank_core::{
    ErrorKind, Settings,
    correlation::{CorrelationTracker, Direction, METADATA_LIMIT, Trace},
    store::{
        CausationLink,
        redis::{RedisConnection, RedisLinks},
    },
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

async fn redis() -> CorrelationTracker {
    let url = bloodbank_harness::shared_redis_url().into();
    let store = RedisLinks::new(RedisConnection::new(&url).unwrap(), Settings::default().correlation_ttl);
    let tracker = CorrelationTracker::with_store(Arc::new(store)).await;
    assert!(tracker.health().available, "{:?}", tracker.health());
    tracker
}

/// The folder lives as long as the process.
async fn file() -> CorrelationTracker {
    let path = tempfile::tempdir().unwrap().keep().join("bus.db");
    let settings = Settings::from_vars([("BLOODBANK_EMBEDDED_PATH", path.to_str().unwrap())]).unwrap();
    let tracker = CorrelationTracker::open(&settings).await.unwrap();
    assert!(tracker.health().store.contains("bus.db"), "{:?}", tracker.health());
    tracker
}

macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::CorrelationTracker::in_memory(&super::Settings::default())).await;
            })*
        }

        mod file {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::file().await).await;
            })*
        }

        mod redis {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::redis().await).await;
            })*
        }
    };
}

on_every_store! {
    parents_children_and_entries,
    chains_are_topological,
    diamonds_cycles_and_self_links,
    depth_is_limited,
    deep_and_wide,
    adding_keeps_what_is_known,
    what_is_refused,
    a_dump_is_what_python_dumps_and_more,
    a_trace_holds_the_whole_component,
}

fn ids<const N: usize>() -> [Uuid; N] {
    std::array::from_fn(|_| Uuid::new_v4())
}

fn link(child: Uuid, parents: &[Uuid]) -> CausationLink {
    CausationLink {
        child,
        parents: parents.to_vec(),
        event_type: Some("orders.order.placed".into()),
        created_at: "2025-10-18T12:00:00.123456Z".parse().unwrap(),
        app: Some("shop".into()),
        metadata: None,
    }
}

/// Records as publishing does.
async fn record(tracker: &CorrelationTracker, links: impl IntoIterator<Item = (Uuid, Vec<Uuid>)>) {
    let now = chrono::Utc::now();
    for (child, parents) in links {
        let recorded = tracker.record(CausationLink { created_at: now, ..link(child, &parents) });
        // As a window of publishes does: wait now and then.
        if let Some(recorded) = recorded
            && child.as_u128() % 256 == 0
        {
            recorded.await;
        }
    }
    tracker.flush().await;
    assert_eq!(tracker.health().missed, 0);
}

async fn ancestors(tracker: &CorrelationTracker, event: Uuid) -> Vec<Uuid> {
    let chain = tracker.chain(event, Direction::Ancestors, 100).await.unwrap();
    assert!(chain.malformed.is_empty() && !chain.truncated, "{chain:?}");
    chain.events
}

async fn descendants(tracker: &CorrelationTracker, event: Uuid) -> Vec<Uuid> {
    let chain = tracker.chain(event, Direction::Descendants, 100).await.unwrap();
    assert!(chain.malformed.is_empty() && !chain.truncated, "{chain:?}");
    chain.events
}

async fn parents_children_and_entries(tracker: CorrelationTracker) {
    let [first, second, child, stranger] = ids();
    let mut link = CausationLink { created_at: chrono::Utc::now(), ..link(child, &[first, second]) };
    link.metadata = Some(Map::from_iter([("reason".to_owned(), json!("both arrived"))]));
    if let Some(recorded) = tracker.record(link.clone()) {
        recorded.await;
    }
    assert_eq!(tracker.parents(child).await.unwrap(), [first, second]);
    assert_eq!(tracker.children(first).await.unwrap(), [child]);
    assert_eq!(tracker.children(second).await.unwrap(), [child]);
    let entry = tracker.entry(child).await.unwrap().unwrap();
    assert_eq!(entry.event_type(), Some("orders.order.placed"));
    assert_eq!(entry.app(), Some("shop"));
    assert_eq!(entry.created_at.unwrap().timestamp_micros(), link.created_at.timestamp_micros());
    assert_eq!(
        tracker.metadata(child).await.unwrap().map(Value::Object),
        Some(json!({"reason": "both arrived", "event_type": "orders.order.placed", "app": "shop"}))
    );

    assert_eq!(tracker.entry(stranger).await.unwrap(), None);
    assert_eq!(tracker.metadata(stranger).await.unwrap(), None);
    assert!(tracker.parents(stranger).await.unwrap().is_empty());
    assert!(tracker.children(stranger).await.unwrap().is_empty());
    assert!(ancestors(&tracker, stranger).await.is_empty());
    assert!(descendants(&tracker, stranger).await.is_empty());
}

async fn chains_are_topological(tracker: CorrelationTracker) {
    let [a, b, c, d] = ids();
    record(&tracker, [(a, vec![]), (b, vec![a]), (c, vec![b]), (d, vec![c])]).await;
    assert_eq!(ancestors(&tracker, c).await, [a, b, c]);
    assert_eq!(descendants(&tracker, b).await, [b, c, d]);
    assert!(ancestors(&tracker, a).await.is_empty(), "nothing led to it");
    assert!(descendants(&tracker, d).await.is_empty(), "it led to nothing");
}

async fn diamonds_cycles_and_self_links(tracker: CorrelationTracker) {
    let [top, left, right, bottom, below] = ids();
    // `below` is reached over a short and a long way.
    record(&tracker, [(left, vec![top]), (right, vec![top]), (bottom, vec![left, right]), (below, vec![top, bottom])])
        .await;
    for chain in [ancestors(&tracker, below).await, descendants(&tracker, top).await] {
        assert_eq!(chain.len(), 5);
        assert_eq!(HashSet::from_iter(chain.iter().copied()), HashSet::from([top, left, right, bottom, below]));
        let place = |event| chain.iter().position(|other| *other == event).unwrap();
        for (cause, effect) in [(top, left), (top, right), (left, bottom), (right, bottom), (bottom, below)] {
            assert!(place(cause) < place(effect));
        }
    }

    let [x, y, z, narcissus] = ids();
    record(&tracker, [(y, vec![x]), (z, vec![y]), (x, vec![z]), (narcissus, vec![narcissus])]).await;
    for chain in [ancestors(&tracker, x).await, descendants(&tracker, x).await] {
        assert_eq!(chain.len(), 3);
        assert_eq!(HashSet::from_iter(chain), HashSet::from([x, y, z]));
    }
    assert_eq!(ancestors(&tracker, narcissus).await, [narcissus]);
    assert_eq!(descendants(&tracker, narcissus).await, [narcissus]);
    let trace = Trace::load(&tracker, y).await.unwrap();
    assert_eq!(trace.events.len(), 3);
    assert!(trace.to_text().contains("↑ above"), "{}", trace.to_text());
    assert_eq!(Trace::load(&tracker, narcissus).await.unwrap().events.len(), 1);
}

async fn depth_is_limited(tracker: CorrelationTracker) {
    let [a, b, c, d] = ids();
    record(&tracker, [(b, vec![a]), (c, vec![b]), (d, vec![c])]).await;
    let chain = tracker.chain(d, Direction::Ancestors, 2).await.unwrap();
    assert_eq!(chain.events, [b, c, d]);
    assert!(chain.truncated);
    let chain = tracker.chain(a, Direction::Descendants, 0).await.unwrap();
    assert!(chain.events.is_empty() && chain.truncated);
}

async fn deep_and_wide(tracker: CorrelationTracker) {
    let deep: Vec<Uuid> = (0..10_000).map(|_| Uuid::new_v4()).collect();
    record(&tracker, deep.windows(2).map(|pair| (pair[1], vec![pair[0]]))).await;
    let chain = tracker.chain(deep[9_999], Direction::Ancestors, usize::MAX).await.unwrap();
    assert_eq!(chain.events, deep);

    let root = Uuid::new_v4();
    let wide: Vec<Uuid> = (0..100_000).map(|_| Uuid::new_v4()).collect();
    record(&tracker, wide.iter().map(|child| (*child, vec![root]))).await;
    let chain = descendants(&tracker, root).await;
    assert_eq!(chain.len(), 100_001);
    assert_eq!(chain[0], root);
    let trace = Trace::load_at_most(&tracker, root, 100).await.unwrap();
    assert!(trace.truncated);
    assert_eq!(trace.events.len(), 100);
}

async fn adding_keeps_what_is_known(tracker: CorrelationTracker) {
    let [first, second, child] = ids();
    record(&tracker, [(child, vec![first])]).await;
    tracker.link(second, child, "merged by hand").await.unwrap();
    tracker.add(child, &[second, second, first], Map::new()).await.unwrap();
    assert_eq!(tracker.parents(child).await.unwrap(), [first, second]);
    for parent in [first, second] {
        assert_eq!(tracker.children(parent).await.unwrap(), [child]);
    }
    let entry = tracker.entry(child).await.unwrap().unwrap();
    assert_eq!(entry.event_type(), Some("orders.order.placed"));
    assert_eq!(entry.metadata["reason"], "merged by hand");
}

async fn what_is_refused(tracker: CorrelationTracker) {
    let [parent, child] = ids();
    for (child, parents) in [(child, vec![Uuid::nil()]), (child, vec![parent, child]), (Uuid::nil(), vec![parent])] {
        let error = tracker.add(child, &parents, Map::new()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidEnvelope, "{error}");
    }
    let large = Map::from_iter([("k".to_owned(), Value::from("x".repeat(METADATA_LIMIT)))]);
    let error = tracker.add(child, &[parent], large.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(tracker.entry(child).await.unwrap(), None);

    // A publish is not refused for it; the index keeps the link.
    let recorded = tracker.record(CausationLink {
        metadata: Some(large),
        created_at: chrono::Utc::now(),
        ..link(child, &[parent])
    });
    if let Some(recorded) = recorded {
        recorded.await;
    }
    assert_eq!(tracker.parents(child).await.unwrap(), [parent]);
    assert!(!tracker.metadata(child).await.unwrap().unwrap().contains_key("k"));
}

async fn a_dump_is_what_python_dumps_and_more(tracker: CorrelationTracker) {
    let [a, b, c] = ids();
    record(&tracker, [(a, vec![]), (b, vec![a]), (c, vec![b])]).await;
    let dump = tracker.dump(b).await.unwrap();
    let mut json = serde_json::to_value(&dump).unwrap();
    assert!(json["created_at"].take().is_string());
    assert_eq!(
        json,
        json!({
            "event_id": b,
            "parents": [a],
            "children": [c],
            "ancestors": [a, b],
            "descendants": [b, c],
            "metadata": {"event_type": "orders.order.placed", "app": "shop"},
            "created_at": null,
            "malformed": [],
            "may_be_incomplete": false,
        })
    );
    assert!(!dump.to_string().contains("may be incomplete"));
}

async fn a_trace_holds_the_whole_component(tracker: CorrelationTracker) {
    let [root, left, right, leaf, elsewhere, foreign] = ids();
    record(
        &tracker,
        [(root, vec![]), (left, vec![root]), (right, vec![root]), (leaf, vec![left, foreign]), (elsewhere, vec![])],
    )
    .await;
    let trace = Trace::load(&tracker, right).await.unwrap();
    let events: HashSet<Uuid> = trace.events.iter().map(|event| event.event_id).collect();
    assert_eq!(events, HashSet::from([root, left, right, leaf, foreign]));
    let event = |id| trace.events.iter().find(|event| event.event_id == id).unwrap();
    assert_eq!(event(leaf).parents, [left, foreign]);
    assert_eq!(event(leaf).app.as_deref(), Some("shop"));
    assert_eq!(event(foreign).event_type, None);
    assert_eq!(event(foreign).children, [leaf]);
    assert!(!trace.truncated && !trace.may_be_incomplete);
}
