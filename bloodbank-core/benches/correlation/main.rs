//! What correlation costs beside publishing, what it takes in Redis, and how fast a chain is read.
//!
//!     cargo bench -p bloodbank-core --bench correlation [-- classic | quorum | links | embedded | chain]
//!
//! Starts its own RabbitMQ and Redis. Beside the bus it measures lapin and Redis without Bloodbank: what tracking costs
//! there, it costs because broker, Redis and client share the processors. Machines are noisy and drift: the rounds with
//! and without tracking alternate; read the ratios of the medians, not the rates.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]

// The transports that a setting chooses between.
use bloodbank_amqp as _;
use bloodbank_embedded as _;

mod raw;

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use bloodbank_core::{
    Bus, Event, Settings,
    app::BusBuilder,
    correlation::{CorrelationTracker, Direction},
    event::{Declaration, Location},
    settings::QueueKind,
    store::{
        CausationLink,
        redis::{RedisConnection, RedisLinks},
    },
    transport::Topology,
};
use bloodbank_harness::{RabbitMq, Redis, unique};
use futures_util::{StreamExt, stream};
use lapin::{Connection, ConnectionProperties, options::QueuePurgeOptions};
use raw::Raw;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const ROUNDS: usize = 7;
const EVENTS: usize = 20_000;
const KEY: &str = "bench.sentence.heard";

/// About 750 bytes on the wire.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Heard {
    meeting: String,
    text: String,
}

impl Event for Heard {
    const DECLARATION: Declaration = Declaration::new(
        KEY,
        "bench",
        "Heard",
        Location { crate_name: "bench", crate_version: "0", module: "bench", file: file!(), line: line!() },
    );
}

fn heard() -> Heard {
    Heard { meeting: "01K7CKT5XHEY6DP8BH4CND1QKZ".into(), text: "Two days went into chasing a lost event. ".repeat(9) }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let part = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let kinds = [("classic", QueueKind::Classic, 0.97), ("quorum", QueueKind::Quorum, 0.9)];
    let redis = Redis::start().unwrap();
    println!("{ROUNDS} alternating rounds of {EVENTS} events, each with one parent; medians");
    println!(
        "{:<34}{:>12}{:>12}{:>8}{:>7}{:>16}{:>8}",
        "publishing, events/s", "without", "with", "ratio", "bar", "CPU, µs/event", "Redis"
    );
    runtime.block_on(async {
        let server = Server::connect(&redis).await;
        let mut bytes = Vec::new();
        if kinds.iter().any(|(name, ..)| wanted(name)) {
            let rabbit = RabbitMq::start().unwrap();
            for (_, kind, bar) in kinds.into_iter().filter(|(name, ..)| wanted(name)) {
                for window in [256, 1_024] {
                    bytes.extend(on_rabbit(&rabbit, &redis, &server, kind, window, bar).await);
                }
            }
            bytes.sort_by(f64::total_cmp);
            println!("{:<34}{:>12.0}{:>27}", "Redis, bytes/event", bytes[bytes.len() / 2], 1_024);
        }
        if wanted("links") {
            links(&redis, &server).await;
        }
        if wanted("embedded") {
            in_a_file().await;
        }
        if wanted("chain") {
            for direction in [Direction::Descendants, Direction::Ancestors] {
                let took = chain(&redis, direction).await;
                let what = format!("chain of 10 × 100, {direction:?}, ms");
                println!("{what:<34}{:>12.1}{:>27}", took.as_secs_f64() * 1e3, 25);
            }
        }
    });
}

/// Redis, seen from outside.
struct Server(redis::aio::MultiplexedConnection);

impl Server {
    async fn connect(redis: &Redis) -> Self {
        let client = redis::Client::open(redis.url()).unwrap();
        Self(client.get_multiplexed_async_connection().await.unwrap())
    }

    async fn used(&self) -> f64 {
        let info: String = redis::cmd("INFO").arg("memory").query_async(&mut self.0.clone()).await.unwrap();
        info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().parse().unwrap()
    }

    async fn clear(&self) {
        redis::cmd("FLUSHALL").arg("SYNC").exec_async(&mut self.0.clone()).await.unwrap();
    }
}

/// Prints a row, with what Redis' process has used per event; returns the bytes per event of each round.
async fn on_rabbit(
    rabbit: &RabbitMq,
    redis: &Redis,
    server: &Server,
    kind: QueueKind,
    window: usize,
    bar: f64,
) -> Vec<f64> {
    let mut settings = Settings::default();
    settings.rabbit_url = Some(rabbit.url().into());
    settings.exchange_name = unique("bench.events");
    settings.publish_window = window;
    let without = BusBuilder::new(settings.clone()).without_correlation().connect().await.unwrap();
    settings.redis_url = Some(redis.url().into());
    let with = Bus::connect(settings).await.unwrap();
    let queue: Arc<str> = unique("bench.queue").into();
    with.transport().declare(Topology::subscriber(with.exchange(), &queue, kind, &[KEY.into()])).await.unwrap();
    let admin = Connection::connect(&rabbit.url(), ConnectionProperties::default()).await.unwrap();
    let admin = admin.create_channel().await.unwrap();
    let purge = async || {
        admin.queue_purge(queue.to_string().into(), QueuePurgeOptions::default()).await.unwrap();
    };

    let raw = Raw::connect(&rabbit.url(), server.0.clone(), with.exchange()).await;
    let redis_cpu = || cpu_seconds(redis.pid().unwrap()) * 1e6 / EVENTS as f64;
    let mut bytes = Vec::new();
    // Of the bus and of the least, each without and with.
    let mut figures = [const { [const { Vec::new() }; 2] }; 2];
    let mut writing = [const { Vec::new() }; 2];
    for round in 0..=ROUNDS {
        for is_raw in [false, true] {
            // Whoever goes second may find a warmer broker.
            for is_tracked in [round % 2 == 0, round % 2 == 1] {
                server.clear().await;
                let (before, cpu) = (server.used().await, redis_cpu());
                let figure = match (is_raw, is_tracked) {
                    (true, _) => raw.publish(window, is_tracked).await,
                    (false, true) => publish(&with, window).await,
                    (false, false) => publish(&without, window).await,
                };
                figures[usize::from(is_raw)][usize::from(is_tracked)].push(figure);
                if is_tracked {
                    writing[usize::from(is_raw)].push(redis_cpu() - cpu);
                    if !is_raw {
                        bytes.push((server.used().await - before) / EVENTS as f64);
                    }
                }
                purge().await;
            }
        }
        if round == 0 {
            // Warming up.
            (figures, writing, bytes) = Default::default();
        }
    }
    let health = with.correlation().unwrap().health();
    assert!(health.available && health.missed == 0, "{health:?}");
    let names = [format!("{kind:?} queue, window {window}"), "  the least".to_owned()];
    for ((what, [plain, tracked]), writing) in names.iter().zip(&figures).zip(writing) {
        let bar = (what == &names[0]).then_some(bar);
        println!("{} {:>7.1}", row(what, plain, tracked, bar), median(writing));
    }
    with.close().await;
    without.close().await;
    bytes
}

/// Links alone, without anything that is published: what they cost is steadier than the rates.
async fn links(redis: &Redis, server: &Server) {
    let store = RedisLinks::new(RedisConnection::new(&redis.url().into()).unwrap(), Duration::from_secs(3_600));
    let tracker = CorrelationTracker::with_store(Arc::new(store)).await;
    let (event_type, app) = (Arc::from(KEY), Arc::from("bench"));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        server.clear().await;
        let ids: Vec<Uuid> = (0..=EVENTS).map(|_| Uuid::new_v4()).collect();
        let cpu = [std::process::id(), redis.pid().unwrap()].map(cpu_seconds);
        for number in 1..=EVENTS {
            let _ = tracker.record(CausationLink {
                child: ids[number],
                parents: vec![ids[number - 1]],
                event_type: Some(Arc::clone(&event_type)),
                created_at: chrono::Utc::now(),
                app: Some(Arc::clone(&app)),
                metadata: None,
            });
        }
        tracker.flush().await;
        ours.push((cpu_seconds(std::process::id()) - cpu[0]) * 1e6 / EVENTS as f64);
        theirs.push((cpu_seconds(redis.pid().unwrap()) - cpu[1]) * 1e6 / EVENTS as f64);
    }
    println!("{:<34}{:>53.1} {:>7.1}", "links alone", median(ours), median(theirs));
}

/// The same on the embedded bus: the links share the transactions of the events.
async fn in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut buses = Vec::new();
    for name in ["without.db", "with.db"] {
        let mut settings = Settings::default();
        settings.embedded_path = Some(folder.path().join(name));
        let builder = BusBuilder::new(settings);
        let builder = if buses.is_empty() { builder.without_correlation() } else { builder };
        buses.push(builder.connect().await.unwrap());
    }
    let (mut plain, mut tracked) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.push(publish(&buses[0], 256).await);
        tracked.push(publish(&buses[1], 256).await);
    }
    println!("{}", row("embedded, in a file, window 256", &plain, &tracked, None));
}

/// Events per second, and CPU of this process in µs per event.
#[derive(Clone, Copy)]
struct Figure {
    rate: f64,
    cpu: f64,
}

/// Publishes with so many in flight, each event caused by the one before it.
async fn publish(bus: &Bus, window: usize) -> Figure {
    let bus = bus.clone();
    let publishing = async move {
        let ids: Vec<Uuid> = (0..=EVENTS).map(|_| Uuid::new_v4()).collect();
        let (start, cpu) = (Instant::now(), cpu_seconds(std::process::id()));
        stream::iter(0..EVENTS)
            .map(|number| bus.publish(heard()).event_id(ids[number + 1]).caused_by(&ids[number]).into_future())
            .buffered(window)
            .for_each(|published| async move {
                published.unwrap();
            })
            .await;
        let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds(std::process::id()) - cpu);
        Figure { rate: EVENTS as f64 / seconds, cpu: cpu * 1e6 / EVENTS as f64 }
    };
    // In a task, as in a service; the main thread of a runtime is no worker.
    tokio::spawn(publishing).await.unwrap()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn row(what: &str, plain: &[Figure], tracked: &[Figure], bar: Option<f64>) -> String {
    let rates = [plain, tracked].map(|figures| median(figures.iter().map(|figure| figure.rate).collect()));
    let cpu = [plain, tracked].map(|figures| median(figures.iter().map(|figure| figure.cpu).collect()));
    let bar = bar.map(|bar| bar.to_string()).unwrap_or_default();
    format!(
        "{what:<34}{:>12.0}{:>12.0}{:>8.2}{bar:>7}{:>9.1} → {:.1}",
        rates[0],
        rates[1],
        rates[1] / rates[0],
        cpu[0],
        cpu[1]
    )
}

/// How long a chain of ten levels of a hundred events takes to be read; each event is caused by one of the level before,
/// the last event by the whole last level.
async fn chain(redis: &Redis, direction: Direction) -> Duration {
    let store = RedisLinks::new(RedisConnection::new(&redis.url().into()).unwrap(), Duration::from_secs(3_600));
    let tracker = CorrelationTracker::with_store(Arc::new(store)).await;
    let ids: Vec<Uuid> = (0..1_002).map(|_| Uuid::new_v4()).collect();
    for number in 1..=1_001 {
        let parents = match number {
            1..=100 => &ids[..1],
            101..=1_000 => &ids[number - 100..=number - 100],
            _ => &ids[901..=1_000],
        };
        let _ = tracker.record(CausationLink {
            child: ids[number],
            parents: parents.to_vec(),
            event_type: Some(KEY.into()),
            created_at: chrono::Utc::now(),
            app: Some("bench".into()),
            metadata: None,
        });
    }
    tracker.flush().await;
    let start = if direction == Direction::Descendants { ids[0] } else { ids[1_001] };
    let mut times = Vec::new();
    for _ in 0..50 {
        let begun = Instant::now();
        let chain = tracker.chain(start, direction, 100).await.unwrap();
        times.push(begun.elapsed());
        assert_eq!(chain.events.len(), ids.len());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

/// What all threads of a process have used, to the nanosecond.
fn cpu_seconds(process: u32) -> f64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{process}/task")) else { return f64::NAN };
    let nanos = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    nanos.sum::<u64>() as f64 / 1e9
}
