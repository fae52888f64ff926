//! Redis freezes and dies under a bus that publishes all the time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bloodbank_core::{
    Bus, Event, Settings,
    event::{Declaration, Location},
};
use bloodbank_harness::Redis;
use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use uuid::Uuid;

/// What a publish may wait once, with room for a busy machine.
const ONCE: Duration = Duration::from_millis(1_500);
/// A publish that took longer has waited for Redis.
const WAITED: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Ticked {
    number: usize,
}

impl Event for Ticked {
    const DECLARATION: Declaration = Declaration::new(
        "clocks.clock.ticked",
        "clocks",
        "Ticked",
        Location { crate_name: "tests", crate_version: "0", module: "tests", file: file!(), line: line!() },
    );
}

/// Publishers that go on until they are told to stop.
struct Load {
    published: Arc<AtomicUsize>,
    /// The publishes of each publisher that waited.
    slow: Arc<Mutex<Vec<(usize, Duration)>>>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(bus: &Bus, publishers: usize) -> Self {
        let mut load =
            Self { published: Arc::default(), slow: Arc::default(), stop: Arc::default(), tasks: Vec::new() };
        for publisher in 0..publishers {
            let (bus, published, slow, stop) =
                (bus.clone(), Arc::clone(&load.published), Arc::clone(&load.slow), Arc::clone(&load.stop));
            load.tasks.push(tokio::spawn(async move {
                let mut cause = Uuid::new_v4();
                while !stop.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let number = published.fetch_add(1, Ordering::Relaxed);
                    cause = bus.publish(Ticked { number }).caused_by(&cause).await.unwrap().event_id;
                    if begun.elapsed() > WAITED {
                        slow.lock().unwrap().push((publisher, begun.elapsed()));
                    }
                    tokio::task::yield_now().await;
                }
            }));
        }
        load
    }

    /// So many more events are published.
    async fn goes_on(&self, events: usize) {
        let goal = self.published.load(Ordering::Relaxed) + events;
        until("publishing goes on", || self.published.load(Ordering::Relaxed) >= goal).await;
    }

    /// Each publisher waited once at most for each outage, and not for long.
    async fn end(self, outages: usize) {
        self.stop.store(true, Ordering::Relaxed);
        let publishers = self.tasks.len();
        join_all(self.tasks).await.into_iter().for_each(Result::unwrap);
        let slow = self.slow.lock().unwrap();
        for publisher in 0..publishers {
            let waits: Vec<_> = slow.iter().filter(|wait| wait.0 == publisher).map(|wait| wait.1).collect();
            assert!(waits.len() <= outages && waits.iter().all(|wait| *wait < ONCE), "{publisher}: {waits:?}");
        }
    }
}

/// Polls a condition of the world outside.
async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_goes_on_without_redis() {
    let redis = Redis::start().unwrap();
    let bus = Bus::connect(Settings::from_vars([("REDIS_URL", redis.url())]).unwrap()).await.unwrap();
    let tracker = bus.correlation().unwrap();
    let load = Load::start(&bus, 8);
    load.goes_on(1_000).await;
    assert_eq!(tracker.health().missed, 0);

    redis.pause().unwrap();
    until("the silence is noticed", || !tracker.health().available).await;
    load.goes_on(5_000).await;
    redis.resume().unwrap();
    until("tracking resumes", || tracker.health().available).await;
    load.goes_on(1_000).await;

    redis.kill().unwrap();
    until("the death is noticed", || !tracker.health().available).await;
    load.goes_on(5_000).await;
    redis.start_again().unwrap();
    until("tracking resumes", || tracker.health().available).await;
    load.goes_on(1_000).await;
    load.end(2).await;

    let missed = tracker.health().missed;
    assert!(missed >= 10_000, "{missed}");
    let cause = bus.publish(Ticked { number: 0 }).await.unwrap();
    let effect = bus.publish(Ticked { number: 1 }).caused_by(&cause).await.unwrap();
    assert_eq!(tracker.children(cause.event_id).await.unwrap(), [effect.event_id]);
    assert_eq!(tracker.health().missed, missed, "nothing is missed any more");
}
