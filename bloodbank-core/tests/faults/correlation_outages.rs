//! Redis absent, dying, frozen, full, read-only, locked: publishing goes on, and tracking resumes by itself.

use std::time::{Duration, Instant};

use bloodbank_core::{
    ErrorKind, Settings,
    correlation::CorrelationTracker,
    store::{
        CausationLink, LinkStore,
        redis::{RedisConnection, RedisLinks},
    },
};
use bloodbank_harness::Redis;
use uuid::Uuid;

/// What a publish may wait once, with room for a busy machine.
const ONCE: Duration = Duration::from_secs(4);
const RECOVERY: Duration = Duration::from_secs(60);

fn link(child: Uuid, parents: &[Uuid]) -> CausationLink {
    CausationLink {
        child,
        parents: parents.to_vec(),
        event_type: Some("orders.order.placed".into()),
        created_at: chrono::Utc::now(),
        app: Some("shop".into()),
        metadata: None,
    }
}

async fn open(url: &str) -> CorrelationTracker {
    let settings = Settings::from_vars([("REDIS_URL", url)]).unwrap();
    CorrelationTracker::open(&settings).await.unwrap()
}

/// Records an event with a parent as a publish does; returns both and how long it took.
async fn publish(tracker: &CorrelationTracker) -> (Uuid, Uuid, Duration) {
    let (parent, child) = (Uuid::new_v4(), Uuid::new_v4());
    let begun = Instant::now();
    if let Some(recorded) = tracker.record(link(child, &[parent])) {
        recorded.await;
    }
    (parent, child, begun.elapsed())
}

/// Polls a condition of the world outside.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !condition().await {
        assert!(begun.elapsed() < RECOVERY, "{what}: not within {RECOVERY:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The store fails: one publish waits at most a second, further ones not at all; nothing is silent.
async fn goes_on_untracked(tracker: &CorrelationTracker) -> Uuid {
    let before = tracker.health().missed;
    let begun = Instant::now();
    let (parent, child) = loop {
        let (parent, child, took) = publish(tracker).await;
        assert!(took < ONCE, "{took:?}");
        // A signal takes a moment to freeze a process.
        if !tracker.health().available {
            break (parent, child);
        }
        assert!(begun.elapsed() < RECOVERY, "the store did not fail");
    };
    for _ in 0..100 {
        let recorded = tracker.record(link(Uuid::new_v4(), &[child]));
        assert!(recorded.is_none(), "there is nothing to wait for");
    }
    assert_eq!(tracker.health().missed, before + 101);
    let error = tracker.link(parent, child, "by hand").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    child
}

/// The store is back: tracking resumes by itself, and what was missed is known to be.
async fn resumes(tracker: &CorrelationTracker, missed: Uuid) {
    until("tracking resumes", async || tracker.health().available).await;
    let before = tracker.health().missed;
    let (parent, child, _) = publish(tracker).await;
    assert_eq!(tracker.parents(child).await.unwrap(), [parent]);
    assert_eq!(tracker.children(parent).await.unwrap(), [child]);
    assert_eq!(tracker.health().missed, before);

    let dump = tracker.dump(child).await.unwrap();
    assert!(!dump.may_be_incomplete, "{dump}");
    let dump = tracker.dump(missed).await.unwrap();
    assert!(dump.may_be_incomplete);
    assert!(dump.to_string().ends_with("were published"), "{dump}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_killed_and_comes_back() {
    let redis = Redis::start().unwrap();
    let tracker = open(&redis.url()).await;
    let (parent, child, _) = publish(&tracker).await;
    assert_eq!(tracker.parents(child).await.unwrap(), [parent]);
    redis.kill().unwrap();
    let missed = goes_on_untracked(&tracker).await;
    assert_eq!(tracker.parents(child).await.unwrap_err().kind(), ErrorKind::Storage);
    redis.start_again().unwrap();
    resumes(&tracker, missed).await;
    // And once more: the breaker closes for good.
    redis.stop().unwrap();
    let missed = goes_on_untracked(&tracker).await;
    redis.start_again().unwrap();
    resumes(&tracker, missed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_freezes_and_goes_on() {
    let redis = Redis::start().unwrap();
    let tracker = open(&redis.url()).await;
    publish(&tracker).await;
    redis.pause().unwrap();
    let missed = goes_on_untracked(&tracker).await;
    redis.resume().unwrap();
    until("tracking resumes", async || tracker.health().available).await;
    // What was under way when it froze may have been written all the same; saying so is still right.
    assert!(tracker.dump(missed).await.unwrap().may_be_incomplete);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_publishers_wait_for_a_frozen_redis_once_and_together() {
    let redis = Redis::start().unwrap();
    let tracker = open(&redis.url()).await;
    redis.pause().unwrap();
    let client = redis::Client::open(redis.url()).unwrap();
    until("the server is frozen", async || {
        let connection = client.get_multiplexed_async_connection();
        tokio::time::timeout(Duration::from_millis(200), connection).await.is_err()
    })
    .await;
    let begun = Instant::now();
    let publishers = (0..1_000).map(|_| {
        let tracker = tracker.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                publish(&tracker).await;
            }
        })
    });
    for publisher in publishers.collect::<Vec<_>>() {
        publisher.await.unwrap();
    }
    assert!(begun.elapsed() < ONCE, "{:?}", begun.elapsed());
    tracker.flush().await;
    assert_eq!(tracker.health().missed, 5_000);
    redis.resume().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_absent_at_the_start() {
    let redis = Redis::start().unwrap();
    redis.stop().unwrap();
    let tracker = open(&redis.url()).await;
    let missed = goes_on_untracked(&tracker).await;
    redis.start_again().unwrap();
    resumes(&tracker, missed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_frozen_at_the_start() {
    let redis = Redis::start().unwrap();
    redis.pause().unwrap();
    let begun = Instant::now();
    let tracker = open(&redis.url()).await;
    assert!(begun.elapsed() < ONCE, "{:?}", begun.elapsed());
    let missed = goes_on_untracked(&tracker).await;
    redis.resume().unwrap();
    resumes(&tracker, missed).await;
}

/// An administrator's connection.
async fn command(redis: &Redis, password: Option<&str>, words: &[&str]) {
    let login = password.map(|password| format!(":{password}@")).unwrap_or_default();
    let url = redis.url().replace("redis://", &format!("redis://{login}"));
    let client = redis::Client::open(url).unwrap();
    // A busy machine may take longer than the half second that it waits by default.
    let minute = Some(Duration::from_secs(60));
    let config = redis::AsyncConnectionConfig::new().set_connection_timeout(minute).set_response_timeout(minute);
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.exec_async(&mut connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_wrong_until_somebody_corrects_it() {
    let redis = Redis::start().unwrap();
    command(&redis, None, &["CONFIG", "SET", "requirepass", "right"]).await;
    let tracker = open(&redis.url().replace("redis://", "redis://:hunter2@")).await;
    let missed = goes_on_untracked(&tracker).await;
    let shown = format!("{tracker:?} {:?}", tracker.parents(missed).await.unwrap_err());
    assert!(!shown.contains("hunter2"), "{shown}");
    command(&redis, Some("right"), &["CONFIG", "SET", "requirepass", "hunter2"]).await;
    resumes(&tracker, missed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_out_of_memory() {
    let redis = Redis::start().unwrap();
    let tracker = open(&redis.url()).await;
    command(&redis, None, &["CONFIG", "SET", "maxmemory", "1"]).await;
    let missed = goes_on_untracked(&tracker).await;
    assert_eq!(tracker.entry(missed).await.unwrap(), None, "reading goes on");
    command(&redis, None, &["CONFIG", "SET", "maxmemory", "0"]).await;
    resumes(&tracker, missed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_read_only() {
    let primary = Redis::start().unwrap();
    let redis = Redis::start().unwrap();
    let tracker = open(&redis.url()).await;
    let port = primary.port().to_string();
    command(&redis, None, &["REPLICAOF", "127.0.0.1", &port]).await;
    let missed = goes_on_untracked(&tracker).await;
    command(&redis, None, &["REPLICAOF", "NO", "ONE"]).await;
    resumes(&tracker, missed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tracker_whose_runtime_is_gone_holds_nobody_up() {
    let redis = Redis::start().unwrap();
    let url = redis.url();
    let tracker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(open(&url))
    });
    let tracker = tracker.join().unwrap();
    let (.., took) = publish(&tracker).await;
    assert!(took < ONCE, "{took:?}");
    tracker.flush().await;
    assert_eq!(tracker.health().missed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_written_when_the_tracker_is_dropped() {
    let redis = Redis::start().unwrap();
    let tracker = open(&redis.url()).await;
    let children: Vec<Uuid> = (0..1_000).map(|_| Uuid::new_v4()).collect();
    for child in &children {
        let _ = tracker.record(link(*child, &[]));
    }
    drop(tracker);
    let store = RedisLinks::new(RedisConnection::new(&redis.url().into()).unwrap(), Duration::from_secs(60));
    until("everything is written", async || {
        let read = store.entries(&children).await.unwrap();
        read.values.iter().all(Option::is_some)
    })
    .await;
}

#[tokio::test]
async fn an_address_that_is_none_is_a_bad_setting() {
    let error = RedisConnection::new(&"redis://:hunter2@h:1:2".into()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
