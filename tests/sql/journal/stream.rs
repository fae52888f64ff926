//! The journal in PostgreSQL as a copy of a stream of RabbitMQ, with faults: what was confirmed is there once, in the same order,
//! under the same offsets.
//!
//! `BLOODBANK_TEST_KILLS` says how often a writer is killed.

use std::{
    env,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bloodbank::{
    Bus, Settings,
    amqp::{JournalRetention, JournalSwitch},
    prelude::*,
    sql::{JournalTableStatus, JournalWriter, PostgresJournal, Schema},
    store::{Journal, JournalEntry, JournalQuery, Position},
};
use bloodbank_harness::{Ending, Postgres as Server, Proxy, shared_rabbit_url, unique};
use futures_util::{StreamExt, TryStreamExt};
use sqlx::{PgPool, Postgres, postgres::PgPoolOptions};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    database::{TestDatabase, execute},
    stores::Database,
};

const PATIENCE: Duration = Duration::from_secs(240);
const CHILD: &str = "BLOODBANK_TEST_SQL_JOURNAL";

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "ledger.page.written")]
struct Written {
    page: u64,
}

/// A stream, a database, and what was confirmed.
struct Ledger {
    bus: Bus,
    pool: PgPool,
    rabbit: String,
    confirmed: Vec<Uuid>,
}

impl Ledger {
    async fn begin(pool: PgPool, retention: JournalRetention) -> Self {
        Schema::migrate(&pool).await.unwrap();
        let rabbit = spawn_blocking(shared_rabbit_url).await.unwrap();
        let settings = settings(&rabbit, &unique("copied"));
        // The exchange is there first.
        Bus::connect(settings.clone()).await.unwrap().close().await;
        let switch = JournalSwitch::connect(&settings).await.unwrap();
        switch.enable(retention, Duration::ZERO).await.unwrap();
        switch.close().await;
        Self { bus: Bus::connect(settings).await.unwrap(), pool, rabbit, confirmed: Vec::new() }
    }

    async fn on_shared_servers() -> (Self, Database) {
        let database = spawn_blocking(Database::postgres).await.unwrap();
        database.pool().await.unwrap();
        let pool = PgPool::connect(&database.url).await.unwrap();
        (Self::begin(pool, roomy()).await, database)
    }

    /// Publishes events, one after the other in the order of the stream.
    async fn publish(&mut self, count: u64) {
        let publishing = (0..count).map(|page| self.bus.publish(Written { page }).into_future());
        let ids: Vec<Uuid> = futures_util::stream::iter(publishing)
            .buffered(50)
            .map(|receipt| receipt.unwrap().event_id)
            .collect()
            .await;
        self.confirmed.extend(ids);
    }

    fn writer(&self) -> JournalWriter {
        JournalWriter::new(self.pool.clone()).batch(7)
    }

    async fn rows(&self) -> i64 {
        Postgres::number(&self.pool, "SELECT count(*) FROM bloodbank_journal").await
    }

    /// Waits until everything is copied.
    async fn copied(&self) {
        let wanted = i64::try_from(self.confirmed.len()).unwrap();
        let begun = Instant::now();
        while self.rows().await < wanted {
            assert!(begun.elapsed() < PATIENCE, "{} of {wanted} are copied", self.rows().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The copy is what was confirmed, and what the stream has, in its order and under its offsets.
    async fn check(&self) {
        let all = async |journal: Arc<dyn Journal>| -> Vec<(u64, Option<Uuid>, String)> {
            let entries: Vec<JournalEntry> =
                journal.read(JournalQuery::all(), Position::Start).try_collect().await.unwrap();
            let line = |entry: &JournalEntry| serde_json::to_string(entry).unwrap();
            entries.iter().map(|entry| (entry.offset, entry.event_id(), line(entry))).collect()
        };
        let copy = all(Arc::new(PostgresJournal::new(self.pool.clone()))).await;
        let ids: Vec<_> = copy.iter().filter_map(|(_, id, _)| *id).collect();
        assert_eq!(ids, self.confirmed, "left: the copy, right: what was confirmed");
        assert_eq!(copy, all(JournalWriter::source_of(&self.bus).unwrap()).await, "left: the copy, right: the stream");
        let status = JournalTableStatus::read(&self.pool).await.unwrap();
        assert_eq!(status.lost, [], "nothing was lost");
        assert_eq!(status.next, copy.last().map(|(offset, ..)| offset + 1));
    }

    async fn end(self) {
        let switch = JournalSwitch::connect(self.bus.settings()).await.unwrap();
        switch.disable(true).await.unwrap();
        switch.close().await;
        self.bus.close().await;
    }
}

fn settings(rabbit: &str, exchange: &str) -> Settings {
    let vars = [("RABBIT_URL", rabbit), ("EXCHANGE_NAME", exchange), ("SERVICE_NAME", "ledger")];
    Settings::from_vars(vars).unwrap()
}

fn roomy() -> JournalRetention {
    JournalRetention::new(Duration::from_secs(3600), 100_000_000)
}

/// This program again, as the writer that is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test of this file starts it"]
async fn child() {
    let Ok(url) = env::var(CHILD) else { return };
    let pool = PgPool::connect(&url).await.unwrap();
    let bus = Bus::connect(Settings::load().unwrap()).await.unwrap();
    JournalWriter::new(pool).batch(7).run(bus, CancellationToken::new()).await.unwrap();
}

fn start_child(database: &Database, ledger: &Ledger) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "journal::stream::child", "--ignored", "--nocapture"]).env_clear();
    command.env(CHILD, &database.url).env("RABBIT_URL", &ledger.rabbit).env("EXCHANGE_NAME", &**ledger.bus.exchange());
    command.current_dir(env::temp_dir()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_is_killed_at_any_moment_leaves_no_gap_and_no_duplicate() {
    let kills = env::var("BLOODBANK_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(12);
    let (mut ledger, database) = Ledger::on_shared_servers().await;
    let (mut run, mut killed_at) = (0, Vec::new());
    // On a busy machine the first ones may not live long enough to copy anything.
    while run < kills || killed_at.last().is_none_or(|rows| *rows == 0) {
        assert!(run < kills + 100, "nothing was copied");
        let mut writer = start_child(&database, &ledger);
        ledger.publish(200).await;
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..900))).await;
        writer.kill().unwrap();
        writer.wait().unwrap();
        killed_at.push(ledger.rows().await);
        run += 1;
    }
    println!("{run} kills, with so many rows: {killed_at:?}");
    ledger.writer().run_once(&ledger.bus).await.unwrap();
    ledger.check().await;
    ledger.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_one_writes_and_the_other_takes_over() {
    let (mut ledger, _database) = Ledger::on_shared_servers().await;
    let start = |ledger: &Ledger| {
        let stop = CancellationToken::new();
        (stop.clone(), tokio::spawn(ledger.writer().run(ledger.bus.clone(), stop)))
    };
    let mut writers = vec![start(&ledger), start(&ledger)];
    for _ in 0..3 {
        ledger.publish(300).await;
        ledger.copied().await;
        let (stop, writer) = writers.remove(0);
        stop.cancel();
        writer.await.unwrap().unwrap();
        writers.push(start(&ledger));
    }
    ledger.check().await;
    for (stop, writer) in writers {
        stop.cancel();
        writer.await.unwrap().unwrap();
    }
    ledger.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_are_away_cost_no_entry() {
    let server = Arc::new(spawn_blocking(Server::start).await.unwrap().unwrap());
    let options = PgPoolOptions::new().max_connections(4).acquire_timeout(Duration::from_secs(5));
    let mut ledger = Ledger::begin(options.connect(&server.url()).await.unwrap(), roomy()).await;
    let (address, port) = ledger.rabbit.rsplit_once(':').unwrap();
    let port = port.trim_end_matches('/');
    let proxy = Proxy::to(port.split('/').next().unwrap().parse().unwrap()).unwrap();
    let through = Bus::connect(settings(&format!("{address}:{}", proxy.port()), ledger.bus.exchange())).await.unwrap();
    let stop = CancellationToken::new();
    let writing = tokio::spawn(ledger.writer().run(through.clone(), stop.clone()));
    ledger.publish(200).await;
    ledger.copied().await;
    let killing = Arc::clone(&server);
    spawn_blocking(move || killing.kill().unwrap()).await.unwrap();
    ledger.publish(200).await;
    let begun = Instant::now();
    let told = loop {
        let troubles = through.health().reasons.join("; ");
        if troubles.contains("is not copied into PostgreSQL") {
            break troubles;
        }
        assert!(begun.elapsed() < PATIENCE, "nobody is told: {troubles}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(told.contains(&format!("{}.journal", ledger.bus.exchange())), "{told}");
    let starting = Arc::clone(&server);
    spawn_blocking(move || starting.start_again().unwrap()).await.unwrap();
    ledger.copied().await;
    for ending in [Ending::Reset, Ending::Close] {
        proxy.cut(ending).unwrap();
        ledger.publish(200).await;
        ledger.copied().await;
    }
    let stopping = Arc::clone(&server);
    spawn_blocking(move || {
        stopping.stop().unwrap();
        stopping.start_again().unwrap();
    })
    .await
    .unwrap();
    ledger.publish(200).await;
    ledger.copied().await;
    ledger.check().await;
    stop.cancel();
    writing.await.unwrap().unwrap();
    through.close().await;
    ledger.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_truncated_before_it_is_copied_is_told() {
    let database = spawn_blocking(Database::postgres).await.unwrap();
    database.pool().await.unwrap();
    let retention = JournalRetention::new(Duration::from_secs(3600), 10_000_000).segment_bytes(1_000_000);
    let mut ledger = Ledger::begin(PgPool::connect(&database.url).await.unwrap(), retention).await;
    ledger.publish(5).await;
    ledger.writer().run_once(&ledger.bus).await.unwrap();
    ledger.check().await;
    let source = JournalWriter::source_of(&ledger.bus).unwrap();
    let text = "x".repeat(1_000_000);
    for number in 0..500 {
        let large = serde_json::json!({ "text": text });
        ledger.bus.publish_value("ledger.page.large", &large).allow_unregistered().await.unwrap();
        if number % 20 == 19 && source.floor().await.unwrap().is_some_and(|floor| floor > 5) {
            break;
        }
    }
    let floor = source.floor().await.unwrap().unwrap();
    assert!(floor > 5, "the broker keeps everything");
    ledger.writer().run_once(&ledger.bus).await.unwrap();
    let status = JournalTableStatus::read(&ledger.pool).await.unwrap();
    assert_eq!(status.lost, [(5, floor - 1)]);
    let journal = PostgresJournal::new(ledger.pool.clone());
    let read: Vec<_> = journal.read(JournalQuery::all(), Position::Start).collect().await;
    let (last, before) = read.split_last().unwrap();
    assert_eq!(before.iter().map(|entry| entry.as_ref().unwrap().offset).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let error = last.as_ref().unwrap_err().to_string();
    assert!(error.starts_with(&format!("the entries 5 to {} of ", floor - 1)), "{error}");
    let mut again = journal.read(JournalQuery::all(), Position::Offset(floor));
    assert_eq!(again.next().await.unwrap().unwrap().offset, floor);
    // The same stream, made again.
    let switch = JournalSwitch::connect(ledger.bus.settings()).await.unwrap();
    switch.disable(true).await.unwrap();
    switch.enable(retention, Duration::ZERO).await.unwrap();
    switch.close().await;
    ledger.publish(2).await;
    let error = ledger.writer().run_once(&ledger.bus).await.unwrap_err();
    assert!(error.to_string().contains("before it was deleted and made again (it ends at offset 1"), "{error}");
    execute(
        &ledger.pool,
        "TRUNCATE bloodbank_journal, bloodbank_journal_cause, bloodbank_journal_progress, bloodbank_journal_lost, \
         bloodbank_journal_day, bloodbank_journal_type",
    )
    .await;
    assert_eq!(ledger.writer().run_once(&ledger.bus).await.unwrap(), 2);
    ledger.end().await;
}
