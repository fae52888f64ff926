//! The journal in a stream: publishing with it and without, and replaying it. In PostgreSQL: the writer against a hand-written COPY of
//! the same rows, how long reading takes on one day and on many, and how soon a follower has what was committed.
//!
//! Run: `cargo bench --bench journal -- 5000000` (starts its own servers; the number is that of the rows that are read, by default
//! 200,000), or `-- stream` for what needs no PostgreSQL. Machines are noisy and drift: read the ratios, not the rates.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]

#[path = "../ratios/measure.rs"]
mod measure;
mod stream;

use std::{
    env,
    time::{Duration, Instant},
};

use bloodbank::{
    Settings,
    amqp::{JournalRetention, JournalSwitch},
    prelude::*,
    routing::BindingPattern,
    sql::{JournalWriter, PostgresJournal, Schema},
    store::{Journal, JournalQuery, Position},
};
use bloodbank_harness::{Postgres as PostgresServer, RabbitMq, unique};
use futures_util::{StreamExt, TryStreamExt};
use measure::{Figure, Round, ratio};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolCopyExt};
use uuid::Uuid;

const ROUNDS: usize = 5;
/// The events that are copied in a round.
const EVENTS: usize = 20_000;
/// The event types of the table that is read.
const TYPES: usize = 100;
/// The questions of each kind.
const QUESTIONS: usize = 1_000;
/// The entries of a page.
const PAGE: usize = 100;
/// The days of the journals that are read.
const DAYS: [u64; 3] = [1, 30, 365];
/// The commits that a follower waits for.
const COMMITS: u64 = 200;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "bench.order.placed")]
struct OrderPlaced {
    number: i64,
    text: String,
}

#[tokio::main]
async fn main() {
    // Cargo adds `--bench`.
    let rows = env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(200_000);
    let broker = tokio::task::spawn_blocking(|| RabbitMq::start().unwrap()).await.unwrap();
    // In a task, as in a service: the main thread of a runtime is no worker.
    tokio::spawn(stream::publishing_and_replaying(broker.url())).await.unwrap();
    if env::args().any(|argument| argument == "stream") {
        return;
    }
    let database = tokio::task::spawn_blocking(|| PostgresServer::start().unwrap()).await.unwrap();
    let pool = PgPool::connect(&database.url()).await.unwrap();
    Schema::migrate(&pool).await.unwrap();
    println!("{:<44}{:>12}{:>12}{:>8}", "", "by hand", "Bloodbank", "ratio");
    tokio::spawn(writing(broker.url(), pool.clone())).await.unwrap();
    for days in DAYS {
        reading(pool.clone(), rows, days).await;
    }
    following(pool).await;
}

/// Empties the journal.
async fn empty(pool: &PgPool) {
    let tables = ["", "_cause", "_progress", "_lost", "_day", "_type"].map(|table| format!("bloodbank_journal{table}"));
    execute(pool, &format!("TRUNCATE {}", tables.join(", "))).await;
}

async fn execute(pool: &PgPool, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(pool).await.unwrap();
}

/// The whole stream by the writer, against the rows of it in memory by COPY into a table with the same indexes.
async fn writing(rabbit: String, pool: PgPool) {
    let mut settings = Settings::default();
    settings.rabbit_url = Some(rabbit.into());
    settings.exchange_name = unique("bench");
    Bus::connect(settings.clone()).await.unwrap().close().await;
    let switch = JournalSwitch::connect(&settings).await.unwrap();
    switch.enable(JournalRetention::new(Duration::from_secs(86_400), 10_000_000_000), Duration::ZERO).await.unwrap();
    switch.close().await;
    let bus = Bus::connect(settings).await.unwrap();
    let text = "Two of those days went into chasing a lost event. ".repeat(6);
    let events = (0..EVENTS).map(|number| OrderPlaced { number: number as i64, text: text.clone() });
    assert!(bus.publish_all(events).await.iter().all(Result::is_ok));
    execute(&pool, "CREATE TABLE by_hand (LIKE bloodbank_journal INCLUDING ALL)").await;
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        empty(&pool).await;
        execute(&pool, "TRUNCATE by_hand").await;
        let round = Round::begin();
        assert_eq!(JournalWriter::new(pool.clone()).run_once(&bus).await.unwrap(), EVENTS as u64);
        ours.push(round.end(EVENTS));
        let mut written =
            pool.copy_out_raw("COPY (SELECT * FROM bloodbank_journal) TO STDOUT (FORMAT binary)").await.unwrap();
        let mut rows = Vec::new();
        while let Some(bytes) = written.try_next().await.unwrap() {
            rows.extend_from_slice(&bytes);
        }
        drop(written);
        let round = Round::begin();
        let mut copy = pool.copy_in_raw("COPY by_hand FROM STDIN (FORMAT binary)").await.unwrap();
        copy.send(&*rows).await.unwrap();
        assert_eq!(copy.finish().await.unwrap(), EVENTS as u64);
        theirs.push(round.end(EVENTS));
    }
    let (theirs, ours) = (Figure::median(&theirs), Figure::median(&ours));
    ratio("copy a stream of RabbitMQ, events/s", theirs.rate, ours.rate);
    ratio("  CPU of the client, µs/event", theirs.cpu, ours.cpu);
    bus.close().await;
}

/// The time of an event by its id, and of a first page, in a journal of so many rows on so many days, which end today.
async fn reading(pool: PgPool, rows: u64, days: u64) {
    empty(&pool).await;
    let partitions: String = ["bloodbank_journal", "bloodbank_journal_cause"]
        .map(|table| {
            format!(
                "FOR old IN SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = '{table}'::regclass LOOP \
                 EXECUTE 'DROP TABLE ' || old; END LOOP; \
                 FOR day IN 0..{days} - 1 LOOP EXECUTE format('CREATE TABLE {table}_%s PARTITION OF {table} FOR VALUES \
                 FROM (%L) TO (%L)', to_char(current_date - day, 'YYYYMMDD'), current_date - day, current_date - day + 1); END LOOP;"
            )
        })
        .concat();
    // The first one, which came with the tables, has all days before today.
    execute(&pool, &format!("DO $$ DECLARE old text; BEGIN {partitions} END $$")).await;
    let day = format!("current_date - {days} + 1 + (n::bigint * {days} / {rows})::int");
    execute(
        &pool,
        &format!(
            "INSERT INTO bloodbank_journal (stream_offset, event_id, event_type, source, published_at, latest_at, exchange, \
             routing_key, properties, body, day) SELECT n, lpad(to_hex(n), 32, '0')::uuid, 'bench.t' || n % {TYPES} || '.placed', \
             'shop', 'epoch'::timestamptz + n * interval '1 second', 'epoch'::timestamptz + n * interval '1 second', 'bench', \
             'bench.t' || n % {TYPES} || '.placed', '{{}}', convert_to(format('{{\"event_id\":\"%s\",\"event_type\":\"bench\", \
             \"timestamp\":\"2025-01-31T12:00:00Z\",\"version\":\"1.0.0\",\"source\":{{\"host\":\"shop\",\"type\":\"hook\"}}, \
             \"correlation_ids\":[\"%s\"],\"payload\":{{\"text\":\"%s\"}}}}', lpad(to_hex(n), 32, '0')::uuid, \
             lpad(to_hex(n / 2), 32, '0')::uuid, repeat('Two of those days. ', 20)), 'UTF8'), {day} \
             FROM generate_series(0, {rows} - 1) AS n; \
             INSERT INTO bloodbank_journal_cause SELECT lpad(to_hex(n / 2), 32, '0')::uuid, n, {day} \
             FROM generate_series(0, {rows} - 1) AS n; \
             INSERT INTO bloodbank_journal_progress (source, next_offset) VALUES ('bench', {rows}); \
             INSERT INTO bloodbank_journal_day SELECT day, min(stream_offset), min(latest_at) FROM bloodbank_journal GROUP BY day; \
             INSERT INTO bloodbank_journal_type SELECT event_type, max(day) FROM bloodbank_journal GROUP BY event_type; \
             ANALYZE bloodbank_journal; ANALYZE bloodbank_journal_cause"
        ),
    )
    .await;
    let journal = PostgresJournal::new(pool);
    let random = || Uuid::from_u128(u128::from(fastrand::u64(..rows)));
    let pattern = |number: usize| {
        JournalQuery::all().pattern(BindingPattern::parse(format!("bench.t{}.#", number % TYPES)).unwrap())
    };
    let page = async |query: JournalQuery, from: Position| journal.read(query, from).take(PAGE).count().await;
    println!("{rows} rows on {days} days, {TYPES} types, {QUESTIONS} questions of each kind, pages of {PAGE}");
    timed("get by id", async |_| assert!(journal.get(random()).await.unwrap().is_some())).await;
    timed("get by an id that is not there", async |_| assert!(journal.get(Uuid::new_v4()).await.unwrap().is_none()))
        .await;
    timed("the first page of all", async |_| assert_eq!(page(JournalQuery::all(), Position::Start).await, PAGE)).await;
    timed("the last of a pattern", async |n| assert!(page(pattern(n), Position::Last(PAGE)).await > 0)).await;
    timed("the first of a pattern", async |n| assert!(page(pattern(n), Position::Start).await > 0)).await;
    timed("a pattern from a time on", async |n| {
        let since = chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds((rows / 2) as i64);
        assert!(page(pattern(n), Position::Time(since)).await > 0);
    })
    .await;
    timed("caused by an event", async |_| {
        let cause = Uuid::from_u128(u128::from(fastrand::u64(..rows / 2)));
        page(JournalQuery::all().caused_by(cause), Position::Last(PAGE)).await;
    })
    .await;
}

/// The time from a commit to a follower, of a writer that notifies and of one that does not, as behind a pooler.
async fn following(pool: PgPool) {
    for (what, notify) in [("from a commit to a follower that hears", true), ("… that hears nothing, and looks", false)]
    {
        empty(&pool).await;
        execute(&pool, "INSERT INTO bloodbank_journal_progress (source, next_offset) VALUES ('bench', 0)").await;
        execute(&pool, "INSERT INTO bloodbank_journal_day VALUES (current_date, 0, 'epoch')").await;
        let mut following = PostgresJournal::new(pool.clone()).follow(JournalQuery::all(), Position::Start);
        let mut times = Vec::new();
        for offset in 0..COMMITS {
            let heard =
                tokio::spawn(async move { (following.next().await.unwrap().unwrap(), Instant::now(), following) });
            tokio::time::sleep(Duration::from_millis(fastrand::u64(250..450))).await;
            let mut transaction = pool.begin().await.unwrap();
            let insert = format!(
                "INSERT INTO bloodbank_journal (stream_offset, event_type, published_at, latest_at, exchange, routing_key, properties, \
                 body, day) VALUES ({offset}, 'bench', now(), now(), 'bench', 'bench', '{{}}', '', current_date); \
                 UPDATE bloodbank_journal_progress SET next_offset = {offset} + 1; SELECT {}",
                if notify { "pg_notify('bloodbank_journal', '')" } else { "1" }
            );
            sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut *transaction).await.unwrap();
            transaction.commit().await.unwrap();
            let committed = Instant::now();
            let (_, at, again) = heard.await.unwrap();
            times.push(at.saturating_duration_since(committed));
            following = again;
        }
        show(what, times);
    }
}

async fn timed(what: &str, ask: impl AsyncFn(usize)) {
    let mut times = Vec::with_capacity(QUESTIONS);
    for number in 0..QUESTIONS {
        let begun = Instant::now();
        ask(number).await;
        times.push(begun.elapsed());
    }
    show(what, times);
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let percentile = |percent: usize| times[times.len() * percent / 100];
    println!("{what:<44} median {:>9.2?}, p99 {:>9.2?}", percentile(50), percentile(99));
}
