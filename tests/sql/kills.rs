//! `kill -9` at any moment, with a ledger in the same database: nothing is lost, nothing is there without its commit, and
//! each effect is there once.

use std::{
    env,
    process::{Command, Stdio},
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
    stores::Database,
};

/// The orders that are placed in a run.
const ORDERS: i64 = 150;
/// The times that the process is killed in a run.
const KILLS: u32 = 12;
const CHILD: &str = "BLOODBANK_TEST_SQL_CHILD";
const PATIENCE: Duration = Duration::from_secs(120);

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
                sqlx::query("INSERT INTO charges (number) VALUES ($1)").bind(order.number).execute(&mut *tx).await?;
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

            /// Places what is not placed yet, and ends when all of it is charged and seen.
            pub(super) async fn work(url: &str) -> Result<(), BoxError> {
                let pool = Pool::<$database>::connect(url).await?;
                let bus = Bus::connect(Settings::load()?).await?;
                let app = App::new(bus.service_name(), bus.clone()).outbox(pool.clone());
                let app = app.subscribe(charge).subscribe(see_placed).subscribe(see_charged).start().await?;
                let next = $database::number(&pool, "SELECT count(*) FROM orders").await;
                for number in next..ORDERS {
                    let mut tx = pool.begin().await?;
                    sqlx::query("INSERT INTO orders (number) VALUES ($1)").bind(-number - 1).execute(&mut *tx).await?;
                    bus.outbox(&mut tx).publish(Placed { number: -number - 1 }).await?;
                    tx.rollback().await?;
                    let mut tx = pool.begin().await?;
                    sqlx::query("INSERT INTO orders (number) VALUES ($1)").bind(number).execute(&mut *tx).await?;
                    bus.outbox(&mut tx).publish(Placed { number }).await?;
                    tx.commit().await?;
                }
                let begun = Instant::now();
                let missing = format!(
                    "SELECT {ORDERS} * 2 - count(*) FROM (SELECT DISTINCT kind, number FROM seen WHERE number >= 0) AS kinds"
                );
                while $database::number(&pool, &missing).await > 0
                    || $database::number(&pool, "SELECT count(*) FROM bloodbank_outbox").await > 0
                {
                    if begun.elapsed() > PATIENCE {
                        return Err("not all is on the bus".into());
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                app.shutdown().await?;
                bus.close().await;
                Ok(())
            }
        }
    )*};
}
shops! { sqlite Sqlite postgres Postgres }

/// This program again, as the process that is killed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other tests of this file start it"]
async fn child() {
    let Ok(url) = env::var(CHILD) else { return };
    let worked = if url.starts_with("sqlite") { sqlite::work(&url).await } else { postgres::work(&url).await };
    worked.unwrap();
}

/// Kills the process again and again, lets it end its work, and reads the ledger.
async fn survive<DB: TestDatabase>(database: Database, variables: Vec<(&str, String)>) {
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
    let seed =
        env::var("BLOODBANK_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    let kills = env::var("BLOODBANK_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    println!("BLOODBANK_TEST_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "kills::child", "--ignored", "--nocapture"]).env_clear().env(CHILD, &database.url);
    command.envs(variables).env("SERVICE_NAME", unique("killed")).env("BLOODBANK_QUEUE_TYPE", "classic");
    // Twice as long a relay that was killed keeps its rows.
    command.env("BLOODBANK_PUBLISH_TIMEOUT_MS", "2000");
    command.current_dir(tempfile::tempdir().unwrap().keep()).stdout(Stdio::null()).stderr(Stdio::inherit());
    for kill in 0..=kills {
        let mut child = command.spawn().unwrap();
        let patience = if kill < kills { Duration::from_millis(random.u64(30..900)) } else { PATIENCE };
        let begun = Instant::now();
        let ended = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if begun.elapsed() >= patience => break None,
                None => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        };
        match ended {
            Some(status) => {
                assert!(status.success(), "{status}");
                if kill < kills {
                    println!("done after {kill} kills");
                }
                break;
            }
            None if kill < kills => {
                child.kill().unwrap();
                child.wait().unwrap();
            }
            None => {
                child.kill().unwrap();
                panic!("the work is not done within {PATIENCE:?}");
            }
        }
    }
    let count = async |query: &str| DB::number(&pool, query).await;
    assert_eq!(count("SELECT count(*) FROM orders").await, ORDERS);
    assert_eq!(count("SELECT count(*) FROM charges").await, ORDERS, "each effect once");
    assert_eq!(count("SELECT count(DISTINCT number) FROM charges").await, ORDERS);
    assert_eq!(count("SELECT count(DISTINCT number) FROM seen WHERE kind = 'placed'").await, ORDERS, "none is lost");
    assert_eq!(
        count("SELECT count(DISTINCT number) FROM seen WHERE kind = 'charged'").await,
        ORDERS,
        "no follow-up is lost"
    );
    assert_eq!(count("SELECT count(*) FROM seen WHERE number < 0").await, 0, "no event without its commit");
    assert_eq!(count("SELECT count(*) FROM bloodbank_outbox").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_sqlite_and_a_bus_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let bus = folder.path().join("bus.db").display().to_string();
    survive::<Sqlite>(Database::sqlite(), vec![("BLOODBANK_EMBEDDED_PATH", bus)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_postgresql_and_rabbitmq() {
    let (database, url) = tokio::task::spawn_blocking(|| (Database::postgres(), shared_rabbit_url())).await.unwrap();
    survive::<Postgres>(database, vec![("RABBIT_URL", url), ("EXCHANGE_NAME", unique("killed"))]).await;
}
