//! The outbox and transactional subscribers against the same work by hand, in one run, on RabbitMQ and PostgreSQL:
//! interleaved rounds, medians, ratios.
//!
//! Run: `cargo bench --bench outbox` (starts its own servers). Machines are noisy and drift: read the ratios, not the rates.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]

#[path = "../ratios/measure.rs"]
mod measure;

use std::{
    env,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bloodbank::{
    Settings,
    prelude::*,
    sql::{AppExt, BusExt, Relay, Schema, Tx},
};
use bloodbank_harness::{Postgres as PostgresServer, RabbitMq, unique};
use measure::{Figure, Round, ratio};
use parking_lot::Mutex;
use sqlx::{PgPool, Postgres, postgres::PgPoolOptions};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

const ROUNDS: usize = 5;
/// The rows of a full table.
const ROWS: usize = 10_000;
/// The events that are handled in a round.
const HANDLED: usize = 3_000;
/// The commits of which the delay is measured, and their rate.
const COMMITS: u64 = 2_000;
const COMMITS_PER_SECOND: u64 = 200;
/// Names the database of the process that only relays.
const RELAY: &str = "BLOODBANK_BENCH_RELAY";

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "bench.order.placed")]
struct OrderPlaced {
    number: i64,
    text: String,
}

fn placed(number: usize) -> OrderPlaced {
    OrderPlaced { number: number as i64, text: "Two of those days went into chasing a lost event. ".repeat(6) }
}

/// Counts events, and knows when they arrived.
#[derive(Clone, Default)]
struct Seen(Arc<Counted>);

#[derive(Default)]
struct Counted {
    count: AtomicUsize,
    changed: Notify,
    times: Mutex<Vec<(i64, Instant)>>,
}

impl Seen {
    fn add(&self, number: i64) {
        self.0.times.lock().push((number, Instant::now()));
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.changed.notify_one();
    }

    async fn wait_for(&self, count: usize) {
        while self.0.count.load(Ordering::Relaxed) < count {
            self.0.changed.notified().await;
        }
    }
}

#[subscriber(transactional, concurrency = 16)]
async fn ours(order: OrderPlaced, State(seen): State<Seen>, mut tx: Tx<Postgres>) -> Result<(), HandlerError> {
    sqlx::query("INSERT INTO charges VALUES ($1)").bind(order.number).execute(&mut *tx).await?;
    seen.add(order.number);
    Ok(())
}

/// The same by hand: a mark and the effect, in a transaction.
#[subscriber(concurrency = 16)]
async fn by_hand(
    order: OrderPlaced,
    State(seen): State<Seen>,
    State(pool): State<PgPool>,
    context: Context,
) -> Result<(), HandlerError> {
    let mut tx = pool.begin().await?;
    let mark = "INSERT INTO marks (queue, event_id, expires_at) VALUES ($1, $2, clock_timestamp() + interval '7 days') \
                ON CONFLICT DO NOTHING";
    let head = context.head().ok_or_else(|| HandlerError::permanent("no envelope"))?;
    let marked = sqlx::query(mark).bind(context.queue()).bind(head.event_id).execute(&mut *tx).await?;
    if marked.rows_affected() == 0 {
        return Ok(());
    }
    sqlx::query("INSERT INTO charges VALUES ($1)").bind(order.number).execute(&mut *tx).await?;
    tx.commit().await?;
    seen.add(order.number);
    Ok(())
}

#[subscriber]
async fn see(order: OrderPlaced, State(seen): State<Seen>) {
    seen.add(order.number);
}

#[tokio::main]
async fn main() {
    if let Ok(url) = env::var(RELAY) {
        return relay_alone(&url).await;
    }
    let (broker, database) =
        tokio::task::spawn_blocking(|| (RabbitMq::start().unwrap(), PostgresServer::start().unwrap())).await.unwrap();
    let pool = PgPoolOptions::new().max_connections(20).connect(&database.url()).await.unwrap();
    Schema::migrate(&pool).await.unwrap();
    for table in [
        "charges (number bigint NOT NULL)",
        "marks (queue text, event_id uuid, expires_at timestamptz, PRIMARY KEY (queue, event_id))",
        "orders (number bigint NOT NULL)",
    ] {
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE TABLE {table}"))).execute(&pool).await.unwrap();
    }
    println!("RabbitMQ (quorum queues) and PostgreSQL, medians of {ROUNDS} rounds");
    println!("{:<44}{:>12}{:>12}{:>8}", "", "by hand", "Bloodbank", "ratio");
    // In tasks, as in a service: the main thread of a runtime is no worker.
    tokio::spawn(relaying(bus(&broker).await, pool.clone())).await.unwrap();
    tokio::spawn(handling(bus(&broker).await, bus(&broker).await, pool.clone())).await.unwrap();
    tokio::spawn(delay(bus(&broker).await, pool.clone(), Some(Relay::new(pool.clone())))).await.unwrap();
    let elsewhere = bus(&broker).await;
    let mut relay = Command::new(env::current_exe().unwrap())
        .env(RELAY, database.url())
        .env("RABBIT_URL", broker.url())
        .env("EXCHANGE_NAME", &**elsewhere.exchange())
        .spawn()
        .unwrap();
    tokio::spawn(delay(elsewhere, pool.clone(), None)).await.unwrap();
    relay.kill().unwrap();
    relay.wait().unwrap();
}

/// This program again, as a process that relays and does nothing else.
async fn relay_alone(url: &str) {
    let bus = Bus::connect(Settings::load().unwrap()).await.unwrap();
    let pool = PgPool::connect(url).await.unwrap();
    Relay::new(pool).run(bus, CancellationToken::new()).await.unwrap();
}

async fn bus(broker: &RabbitMq) -> Bus {
    let mut settings = Settings::default();
    settings.rabbit_url = Some(broker.url().into());
    settings.exchange_name = unique("bench");
    Bus::connect(settings).await.unwrap()
}

/// A full table by the relay, against publishing the same events directly.
async fn relaying(bus: Bus, pool: PgPool) {
    let app = App::new(unique("bench"), bus.clone()).state(Seen::default()).subscribe(see).start().await.unwrap();
    let (mut theirs, mut relayed) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let round = Round::begin();
        let receipts = bus.publish_all((0..ROWS).map(placed)).await;
        theirs.push(round.end(ROWS));
        assert!(receipts.iter().all(Result::is_ok));
        let mut tx = pool.begin().await.unwrap();
        for number in 0..ROWS {
            bus.outbox(&mut tx).publish(placed(number)).await.unwrap();
        }
        tx.commit().await.unwrap();
        let round = Round::begin();
        assert_eq!(Relay::new(pool.clone()).run_once(&bus).await.unwrap(), ROWS);
        relayed.push(round.end(ROWS));
    }
    report("relay a full table, events/s", &theirs, &relayed);
    app.shutdown().await.unwrap();
}

async fn handling(by_hands: Bus, our: Bus, pool: PgPool) {
    let (mut theirs, mut handled) = (Vec::new(), Vec::new());
    let (hand_name, our_name) = (unique("hand"), unique("ours"));
    for _ in 0..ROUNDS {
        for (bus, is_ours, figures) in [(&by_hands, false, &mut theirs), (&our, true, &mut handled)] {
            let seen = Seen::default();
            let name = if is_ours { &*our_name } else { &*hand_name };
            let app = App::new(name, bus.clone()).state(seen.clone()).outbox(pool.clone());
            let app = if is_ours { app.subscribe(ours).start().await } else { app.subscribe(by_hand).start().await };
            let app = app.unwrap();
            let round = Round::begin();
            let receipts = bus.publish_all((0..HANDLED).map(placed)).await;
            assert!(receipts.iter().all(Result::is_ok));
            seen.wait_for(HANDLED).await;
            figures.push(round.end(HANDLED));
            app.shutdown().await.unwrap();
        }
    }
    report("handle in a transaction, events/s", &theirs, &handled);
}

/// The time from the commit to the arrival of the event at a subscriber, with a relay in this process or in another one. The
/// arrival is about as late as the confirm.
async fn delay(bus: Bus, pool: PgPool, relay: Option<Relay<Postgres>>) {
    let seen = Seen::default();
    let place = if relay.is_some() { "in this process" } else { "in another process" };
    let app = App::new(unique("bench"), bus.clone()).state(seen.clone()).subscribe(see);
    let app = match relay {
        Some(relay) => app.task(relay).start().await.unwrap(),
        None => app.start().await.unwrap(),
    };
    let mut committed = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / COMMITS_PER_SECOND));
    for number in 0..COMMITS {
        ticks.tick().await;
        let mut tx = pool.begin().await.unwrap();
        sqlx::query("INSERT INTO orders VALUES ($1)").bind(number as i64).execute(&mut *tx).await.unwrap();
        bus.outbox(&mut tx).publish(placed(number as usize)).await.unwrap();
        tx.commit().await.unwrap();
        committed.push(Instant::now());
    }
    seen.wait_for(COMMITS as usize).await;
    let mut delays: Vec<Duration> =
        seen.0.times.lock().iter().map(|(number, at)| *at - committed[*number as usize]).collect();
    delays.sort_unstable();
    let percentile = |percent: usize| delays[delays.len() * percent / 100];
    println!(
        "from the commit to the arrival, {COMMITS_PER_SECOND} commits/s, relay {place}: median {:.1?}, p99 {:.1?}",
        percentile(50),
        percentile(99)
    );
    app.shutdown().await.unwrap();
}

fn report(what: &str, theirs: &[Figure], ours: &[Figure]) {
    let (theirs, ours) = (Figure::median(theirs), Figure::median(ours));
    ratio(what, theirs.rate, ours.rate);
    ratio("  CPU of the client, µs/event", theirs.cpu, ours.cpu);
}
