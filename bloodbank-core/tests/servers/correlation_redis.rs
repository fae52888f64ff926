//! What stands in Redis, key by key, and what others put there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bloodbank_core::{
    ErrorKind,
    correlation::{CorrelationTracker, Direction, Trace},
    store::{
        CausationLink,
        redis::{RedisConnection, RedisLinks},
    },
};
use redis::{AsyncCommands, AsyncConnectionConfig, aio::MultiplexedConnection};
use serde_json::{Map, Value, json};
use uuid::Uuid;

const TTL: Duration = Duration::from_secs(30 * 86_400);

async fn both() -> (CorrelationTracker, MultiplexedConnection) {
    let url = bloodbank_harness::shared_redis_url();
    let client = redis::Client::open(url.as_str()).unwrap();
    let store = RedisLinks::new(RedisConnection::new(&url.into()).unwrap(), TTL);
    let tracker = CorrelationTracker::with_store(Arc::new(store)).await;
    (tracker, patient(&client).await)
}

/// A connection that waits for a busy machine; by default an answer may take half a second.
async fn patient(client: &redis::Client) -> MultiplexedConnection {
    let minute = Some(Duration::from_secs(60));
    let config = AsyncConnectionConfig::new().set_connection_timeout(minute).set_response_timeout(minute);
    client.get_multiplexed_async_connection_with_config(&config).await.unwrap()
}

fn forward(child: Uuid) -> String {
    format!("bloodbank:correlation:forward:{child}")
}

fn reverse(parent: Uuid) -> String {
    format!("bloodbank:correlation:reverse:{parent}")
}

fn link(child: Uuid, parents: &[Uuid]) -> CausationLink {
    CausationLink {
        child,
        parents: parents.to_vec(),
        event_type: Some("orders.order.placed".into()),
        created_at: "2025-10-18T12:00:00.123456Z".parse().unwrap(),
        app: Some("shop".into()),
        metadata: Some(Map::from_iter([("reason".to_owned(), json!("both"))])),
    }
}

/// Records a link, again and again while a busy machine makes Redis look absent.
async fn record(tracker: &CorrelationTracker, link: CausationLink) {
    let begun = Instant::now();
    loop {
        if let Some(recorded) = tracker.record(link.clone()) {
            recorded.await;
            if tracker.health().available {
                return;
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "Redis is there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn keys_and_values_are_those_of_the_python_side() {
    let (tracker, mut redis) = both().await;
    let [child, first, second] = std::array::from_fn(|_| Uuid::new_v4());
    record(&tracker, link(child, &[first, second])).await;
    let value: String = redis.get(forward(child)).await.unwrap();
    assert_eq!(
        value,
        format!(
            r#"{{"parent_event_ids":["{first}","{second}"],"created_at":"2025-10-18T12:00:00.123456","metadata":{{"app":"shop","event_type":"orders.order.placed","reason":"both"}}}}"#
        )
    );
    for parent in [first, second] {
        let members: Vec<String> = redis.smembers(reverse(parent)).await.unwrap();
        assert_eq!(members, [child.to_string()]);
    }
    for key in [forward(child), reverse(first), reverse(second)] {
        let ttl: i64 = redis.ttl(key).await.unwrap();
        assert!((TTL.as_secs() as i64 - 60..=TTL.as_secs() as i64).contains(&ttl), "{ttl}");
    }
    let other: bool = redis.exists(reverse(child)).await.unwrap();
    assert!(!other, "nothing else is written");
}

#[tokio::test]
async fn an_event_without_parents_is_kept_for_its_trace() {
    let (tracker, mut redis) = both().await;
    let root = Uuid::new_v4();
    record(&tracker, link(root, &[])).await;
    let value: String = redis.get(forward(root)).await.unwrap();
    let value: Value = serde_json::from_str(&value).unwrap();
    assert_eq!(value["parent_event_ids"], json!([]));
    let trace = Trace::load(&tracker, root).await.unwrap();
    assert_eq!(trace.events[0].event_type.as_deref(), Some("orders.order.placed"));
}

#[tokio::test]
async fn what_python_wrote_is_read() {
    let (tracker, mut redis) = both().await;
    let [root, middle, leaf] = std::array::from_fn(|_| Uuid::new_v4());
    for (child, parent) in [(middle, root), (leaf, middle)] {
        // As `orjson.dumps` writes it, by a tracker that knows nothing of event types.
        let value = format!(
            r#"{{"parent_event_ids":["{parent}"],"created_at":"2025-10-18T12:00:00","metadata":{{"reason":"x"}}}}"#
        );
        let _: () = redis.set_ex(forward(child), value, 60).await.unwrap();
        let _: () = redis.sadd(reverse(parent), child.to_string()).await.unwrap();
        let _: () = redis.expire(reverse(parent), 60).await.unwrap();
    }
    let chain = tracker.chain(leaf, Direction::Ancestors, 100).await.unwrap();
    assert_eq!(chain.events, [root, middle, leaf]);
    let chain = tracker.chain(root, Direction::Descendants, 100).await.unwrap();
    assert_eq!(chain.events, [root, middle, leaf]);
    let entry = tracker.entry(leaf).await.unwrap().unwrap();
    assert_eq!(entry.created_at, Some("2025-10-18T12:00:00Z".parse().unwrap()));
    assert_eq!(entry.metadata["reason"], "x");
    let trace = Trace::load(&tracker, middle).await.unwrap();
    assert_eq!(trace.events.len(), 3);
}

#[tokio::test]
async fn broken_values_are_named_and_walked_around() {
    let (tracker, mut redis) = both().await;
    let [root, left, right, leaf] = std::array::from_fn(|_| Uuid::new_v4());
    for (child, parents) in [(left, vec![root]), (right, vec![root]), (leaf, vec![left, right])] {
        record(&tracker, link(child, &parents)).await;
    }
    let _: () = redis.set(forward(left), "no JSON").await.unwrap();
    let chain = tracker.chain(leaf, Direction::Ancestors, 100).await.unwrap();
    assert_eq!(chain.events.len(), 4, "the way over the other parent is found: {chain:?}");
    assert_eq!(chain.malformed.len(), 1);
    assert_eq!(chain.malformed[0].key, forward(left));

    let error = tracker.parents(left).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPayload);
    assert!(error.to_string().contains(&forward(left)), "{error}");

    let _: () = redis.sadd(reverse(root), "nobody").await.unwrap();
    let chain = tracker.chain(root, Direction::Descendants, 100).await.unwrap();
    assert_eq!(chain.events.len(), 4);
    assert_eq!(chain.malformed[0].key, reverse(root));
    assert!(chain.malformed[0].problem.contains("\"nobody\""), "{chain:?}");

    let dump = tracker.dump(root).await.unwrap();
    assert_eq!(dump.malformed.len(), 1, "{dump}");
    let trace = Trace::load(&tracker, leaf).await.unwrap();
    assert_eq!(trace.events.len(), 4);
    assert!(trace.to_text().contains(&format!("ignored `{}`", forward(left))), "{}", trace.to_text());
}

#[tokio::test]
async fn a_key_of_another_type_costs_that_event_alone() {
    let (tracker, mut redis) = both().await;
    let [blocked, child, sibling, hash] = std::array::from_fn(|_| Uuid::new_v4());
    let _: () = redis.set(reverse(blocked), "in the way").await.unwrap();
    let _: () = redis.hset(forward(hash), "a", "b").await.unwrap();

    record(&tracker, link(child, &[blocked])).await;
    record(&tracker, link(sibling, &[child])).await;
    let health = tracker.health();
    assert!(health.available, "the store works");
    assert_eq!(health.missed, 1);
    assert_eq!(tracker.parents(child).await.unwrap(), [blocked]);
    assert_eq!(tracker.children(child).await.unwrap(), [sibling]);
    assert!(tracker.dump(blocked).await.unwrap().may_be_incomplete);

    let error = tracker.children(blocked).await.unwrap_err();
    assert!(error.to_string().contains(&reverse(blocked)), "{error}");
    let error = tracker.entry(hash).await.unwrap_err();
    assert!(error.to_string().contains(&forward(hash)), "{error}");
    let chain = tracker.chain(hash, Direction::Ancestors, 100).await.unwrap();
    assert!(chain.events.is_empty() && chain.malformed.len() == 1);
}

/// The bar is 1 KB for an event of a chain, its part in the sets of children included.
#[tokio::test]
async fn an_event_takes_less_than_a_kilobyte() {
    let (tracker, mut redis) = both().await;
    let ids: Vec<Uuid> = (0..100).map(|_| Uuid::new_v4()).collect();
    let mut bytes = 0;
    for pair in ids.windows(2) {
        record(
            &tracker,
            CausationLink {
                event_type: Some("fireflies.transcript.processed".into()),
                app: Some("transcripts-service".into()),
                metadata: None,
                ..link(pair[1], &[pair[0]])
            },
        )
        .await;
        for key in [forward(pair[1]), reverse(pair[0])] {
            let used: usize = redis::cmd("MEMORY").arg("USAGE").arg(key).query_async(&mut redis).await.unwrap();
            bytes += used;
        }
    }
    let each = bytes / 99;
    println!("{each} bytes for an event with one parent");
    assert!(each <= 1024, "{each}");
}

/// How often the server has read from a connection: a request that fits into its buffer is read at once.
async fn requests(redis: &mut MultiplexedConnection) -> u64 {
    let info: String = redis::cmd("INFO").arg("stats").query_async(redis).await.unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("total_reads_processed:")).unwrap();
    line.parse().unwrap()
}

#[tokio::test]
async fn a_chain_takes_one_round_trip_for_each_level() {
    let redis = bloodbank_harness::Redis::start().unwrap();
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = patient(&client).await;
    let tracker = CorrelationTracker::with_store(Arc::new(RedisLinks::new(
        RedisConnection::new(&redis.url().into()).unwrap(),
        TTL,
    )))
    .await;
    // 10 × 100: every event of a level is caused by one of the level before, the first level by one event.
    let root = Uuid::new_v4();
    let mut levels = vec![vec![root]];
    for _ in 0..10 {
        levels.push((0..100).map(|_| Uuid::new_v4()).collect::<Vec<_>>());
    }
    for pair in levels.windows(2) {
        for (number, &child) in pair[1].iter().enumerate() {
            let _ = tracker.record(link(child, &[pair[0][number % pair[0].len()]]));
        }
    }
    tracker.flush().await;
    let before = requests(&mut connection).await;
    let chain = tracker.chain(root, Direction::Descendants, 100).await.unwrap();
    let after = requests(&mut connection).await;
    assert_eq!(chain.events.len(), 1_001);
    let took = after - before - 1;
    assert!((11..=12).contains(&took), "{took} round trips for a depth of 10");

    let leaf = levels[10][0];
    let chain = tracker.chain(leaf, Direction::Ancestors, 100).await.unwrap();
    assert_eq!(chain.events.len(), 11);
    let took = requests(&mut connection).await - after - 1;
    assert!((11..=12).contains(&took), "{took} round trips for a depth of 10");
}

#[tokio::test]
async fn a_wide_fan_out_is_read_in_pages() {
    let redis = bloodbank_harness::Redis::start().unwrap();
    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = patient(&client).await;
    let tracker = CorrelationTracker::with_store(Arc::new(RedisLinks::new(
        RedisConnection::new(&redis.url().into()).unwrap(),
        TTL,
    )))
    .await;
    let root = Uuid::new_v4();
    let mut children: Vec<Uuid> = (0..50_000).map(|_| Uuid::new_v4()).collect();
    let mut fill = redis::Pipeline::new();
    for children in children.chunks(1_000) {
        fill.sadd(reverse(root), children.iter().map(Uuid::to_string).collect::<Vec<_>>()).ignore();
    }
    fill.exec_async(&mut connection).await.unwrap();
    children.sort_unstable();
    assert_eq!(tracker.children(root).await.unwrap(), children);
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(&mut connection).await.unwrap();
    let pages = info.lines().find_map(|line| line.strip_prefix("cmdstat_sscan:calls=")?.split(',').next()).unwrap();
    let pages: usize = pages.parse().unwrap();
    assert!((5..=20).contains(&pages), "{pages} pages");
}
