//! `kill -9` at seven points and at any moment, with a ledger in the same database: nothing is lost, nothing is there without
//! its commit, and each effect is there once.
//!
//! `BLOODBANK_TEST_KILLS` says how often: at each of the points, or at any moment.

use std::{
    env,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use bloodbank::{
    BoxError, Settings,
    prelude::*,
    sql::{AppExt, BusExt, Tx},
};
use bloodbank_harness::{shared_rabbit_url, unique};
use sqlx::{Pool, Postgres, Sqlite};

use crate::{
    database::{TestDatabase, execute},
    kill_points::{self, Point},
    stores::Database,
};

/// The most orders that a process places before it waits for its end.
const ORDERS: i64 = 8;
/// A process dies at one of the first passages of its point; this many come for sure.
const PASSAGES: u32 = 12;
const CHILD: &str = "BLOODBANK_TEST_SQL_CHILD";
/// The number of the process, from which its orders are numbered; the last one places none.
const RUN: &str = "BLOODBANK_TEST_SQL_RUN";
const PATIENCE: Duration = Duration::from_secs(240);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "killed.order.placed")]
struct Placed {
    number: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "killed.order.charged")]
struct Charged {
    number: i64,
}

macro_rules! shops {
    ($($module:ident $database:ident)*) => {$(
        mod $module {
            use super::*;

            #[subscriber(transactional, concurrency = 4)]
            async fn charge(order: Placed, mut tx: Tx<$database>) -> Result<Charged, HandlerError> {
                Point::BeforeInsert.pass();
                sqlx::query("INSERT INTO charges (number) VALUES ($1)").bind(order.number).execute(&mut *tx).await?;
                Point::BeforeCommit.pass();
                Ok(Charged { number: order.number })
            }

            /// What is on the bus, for the ledger.
            #[subscriber]
            async fn see_placed(order: Placed, State(pool): State<Pool<$database>>) -> Result<(), HandlerError> {
                sqlx::query("INSERT INTO seen (kind, number) VALUES ('placed', $1)").bind(order.number).execute(&pool).await?;
                Ok(())
            }

            #[subscriber]
            async fn see_charged(order: Charged, State(pool): State<Pool<$database>>) -> Result<(), HandlerError> {
                sqlx::query("INSERT INTO seen (kind, number) VALUES ('charged', $1)").bind(order.number).execute(&pool).await?;
                Ok(())
            }

            /// Places an order with its event in one transaction, or rolls it back.
            async fn place(bus: &Bus, pool: &Pool<$database>, number: i64, is_kept: bool) -> Result<(), BoxError> {
                let mut tx = pool.begin().await?;
                sqlx::query("INSERT INTO orders (number) VALUES ($1)").bind(number).execute(&mut *tx).await?;
                Point::BeforeInsert.pass();
                bus.outbox(&mut tx).publish(Placed { number }).await?;
                Point::BeforeCommit.pass();
                if is_kept { tx.commit().await? } else { tx.rollback().await? }
                Ok(())
            }

            /// Places orders and waits to be killed; the last process ends when all is charged and seen.
            pub(super) async fn work(url: &str) -> Result<(), BoxError> {
                let pool = Pool::<$database>::connect(url).await?;
                let bus = kill_points::connect(Settings::load()?).await?;
                let app = App::new(bus.service_name(), bus.clone()).outbox(pool.clone());
                let app = app.subscribe(charge).subscribe(see_placed).subscribe(see_charged).start().await?;
                if let Ok(run) = env::var(RUN) {
                    let first = run.parse::<i64>()? * ORDERS * 2;
                    for number in first..first + ORDERS {
                        place(&bus, &pool, number + ORDERS, false).await?;
                        place(&bus, &pool, number, true).await?;
                    }
                    tokio::time::sleep(PATIENCE).await;
                    return Err("it was not killed".into());
                }
                let begun = Instant::now();
                while $database::number(&pool, UNFINISHED).await > 0 {
                    if begun.elapsed() > PATIENCE {
                        return Err("not all is on the bus".into());
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                app.shutdown().await?;
                bus.close().await;
                Ok(())
            }
        }
    )*};
}
shops! { sqlite Sqlite postgres Postgres }

/// What the last process still waits for.
const UNFINISHED: &str = "SELECT (SELECT count(*) FROM bloodbank_outbox) \
    + (SELECT count(*) FROM orders WHERE number NOT IN (SELECT number FROM seen WHERE kind = 'placed')) \
    + (SELECT count(*) FROM orders WHERE number NOT IN (SELECT number FROM seen WHERE kind = 'charged'))";

/// What may not be at any time.
const NEVER: [(&str, &str); 4] = [
    (
        "an event without its commit",
        "SELECT count(*) FROM seen WHERE kind = 'placed' AND number NOT IN (SELECT number FROM orders)",
    ),
    (
        "a follow-up without its commit",
        "SELECT count(*) FROM seen WHERE kind = 'charged' AND number NOT IN (SELECT number FROM charges)",
    ),
    ("an effect without its event", "SELECT count(*) FROM charges WHERE number NOT IN (SELECT number FROM orders)"),
    ("a second effect of an event", "SELECT count(*) - count(DISTINCT number) FROM charges"),
];

/// What may not be at the end.
const AT_THE_END: [(&str, &str); 3] = [
    ("a lost event", "SELECT count(*) FROM orders WHERE number NOT IN (SELECT number FROM seen WHERE kind = 'placed')"),
    ("a lost effect", "SELECT count(*) FROM orders WHERE number NOT IN (SELECT number FROM charges)"),
    (
        "a lost follow-up",
        "SELECT count(*) FROM charges WHERE number NOT IN (SELECT number FROM seen WHERE kind = 'charged')",
    ),
];

/// This program again, as the process that is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other tests of this file start it"]
async fn child() {
    let Ok(url) = env::var(CHILD) else { return };
    let worked = if url.starts_with("sqlite") { sqlite::work(&url).await } else { postgres::work(&url).await };
    worked.unwrap();
}

/// A database with its ledger, and how to start a process on it.
struct Ledger<DB: TestDatabase> {
    pool: Pool<DB>,
    command: Command,
    random: fastrand::Rng,
    run: u32,
    _database: Database,
}

impl<DB: TestDatabase> Ledger<DB> {
    async fn begin(database: Database, variables: Vec<(&str, String)>) -> Self {
        database.pool().await.unwrap();
        let pool = Pool::<DB>::connect(&database.url).await.unwrap();
        if DB::NAME == "SQLite" {
            execute(&pool, "PRAGMA journal_mode = WAL").await;
        }
        for table in [
            "orders (number bigint NOT NULL)",
            "charges (number bigint NOT NULL)",
            "seen (kind text NOT NULL, number bigint NOT NULL)",
        ] {
            execute(&pool, &format!("CREATE TABLE {table}")).await;
        }
        let seed = env::var("BLOODBANK_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        println!("BLOODBANK_TEST_SEED={seed}");
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "kills::child", "--ignored", "--nocapture"]).env_clear().env(CHILD, &database.url);
        command.envs(variables).env("SERVICE_NAME", unique("killed")).env("BLOODBANK_QUEUE_TYPE", "classic");
        // Twice as long a relay that was killed keeps its rows.
        command.env("BLOODBANK_PUBLISH_TIMEOUT_MS", "2000");
        command.current_dir(tempfile::tempdir().unwrap().keep()).stdout(Stdio::null()).stderr(Stdio::inherit());
        Self { pool, command, random: fastrand::Rng::with_seed(seed), run: 0, _database: database }
    }

    fn next(&mut self) -> Child {
        self.run += 1;
        self.command.env(RUN, self.run.to_string()).spawn().unwrap()
    }

    /// Lets a process die at a point.
    async fn die_at(&mut self, point: Point) {
        let passage = self.random.u32(1..=PASSAGES);
        self.command.env(kill_points::VARIABLE, format!("{point:?}:{passage}"));
        let mut child = self.next();
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if begun.elapsed() > PATIENCE {
                child.kill().unwrap();
                panic!("{point:?}: passage {passage} never came");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let status = child.wait().unwrap();
        assert!(status.code().is_none(), "{point:?}: it was not killed: {status}");
        self.check(&NEVER).await;
    }

    /// Kills a process after some time.
    async fn die_at_any_moment(&mut self) {
        let mut child = self.next();
        tokio::time::sleep(Duration::from_millis(self.random.u64(30..900))).await;
        child.kill().unwrap();
        child.wait().unwrap();
        self.check(&NEVER).await;
    }

    async fn check(&self, rules: &[(&str, &'static str)]) {
        for (what, query) in rules {
            assert_eq!(DB::number(&self.pool, query).await, 0, "{what}, after {} kills", self.run);
        }
    }

    /// Lets a last process end the work, and reads the ledger.
    async fn settle(mut self) {
        let mut child = self.command.env_remove(RUN).env_remove(kill_points::VARIABLE).spawn().unwrap();
        let begun = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break status,
                None if begun.elapsed() > PATIENCE * 2 => {
                    child.kill().unwrap();
                    panic!("the work is not done");
                }
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        assert!(status.success(), "{status}");
        self.check(&NEVER).await;
        self.check(&AT_THE_END).await;
        let count = async |query: &'static str| DB::number(&self.pool, query).await;
        let orders = count("SELECT count(*) FROM orders").await;
        assert_eq!(count("SELECT count(*) FROM charges").await, orders, "each effect once");
        assert!(orders > 0, "nothing was placed");
        println!(
            "{} kills: {orders} orders, {} of their events twice on the bus",
            self.run,
            count("SELECT count(*) FROM seen").await - 2 * orders
        );
    }
}

fn kills(default: u32) -> u32 {
    env::var("BLOODBANK_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(default)
}

async fn survive_points<DB: TestDatabase>(database: Database, variables: Vec<(&str, String)>) {
    let mut ledger = Ledger::<DB>::begin(database, variables).await;
    for _ in 0..kills(2) {
        for point in Point::ALL {
            ledger.die_at(point).await;
        }
    }
    ledger.settle().await;
}

async fn survive_moments<DB: TestDatabase>(database: Database, variables: Vec<(&str, String)>) {
    let mut ledger = Ledger::<DB>::begin(database, variables).await;
    let mut run = 0;
    // On a busy machine the first ones may not live long enough to place anything.
    while run < kills(12) || DB::number(&ledger.pool, "SELECT count(*) FROM orders").await == 0 {
        assert!(run < kills(12) + 100, "nothing was placed");
        ledger.die_at_any_moment().await;
        run += 1;
    }
    ledger.settle().await;
}

fn on_a_file() -> (Database, Vec<(&'static str, String)>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let bus = folder.path().join("bus.db").display().to_string();
    (Database::sqlite(), vec![("BLOODBANK_EMBEDDED_PATH", bus)], folder)
}

async fn on_servers() -> (Database, Vec<(&'static str, String)>) {
    let (database, url) = tokio::task::spawn_blocking(|| (Database::postgres(), shared_rabbit_url())).await.unwrap();
    (database, vec![("RABBIT_URL", url), ("EXCHANGE_NAME", unique("killed"))])
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_on_sqlite_and_a_bus_in_a_file() {
    let (database, variables, _folder) = on_a_file();
    survive_moments::<Sqlite>(database, variables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_on_postgresql_and_rabbitmq() {
    let (database, variables) = on_servers().await;
    survive_moments::<Postgres>(database, variables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_point_on_sqlite_and_a_bus_in_a_file() {
    let (database, variables, _folder) = on_a_file();
    survive_points::<Sqlite>(database, variables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_each_point_on_postgresql_and_rabbitmq() {
    let (database, variables) = on_servers().await;
    survive_points::<Postgres>(database, variables).await;
}
