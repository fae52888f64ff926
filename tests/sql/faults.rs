//! Faults of the database: answers to COMMIT that are lost, deadlocks, servers that die and freeze, disks that are full.
//!
//! The ledger is the database itself: an order that is there has its event, and its charge once.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use bloodbank::{
    App, HandlerError,
    prelude::*,
    sql::{AppExt, BusExt, Schema, Tx},
    testing::TestBus,
};
use bloodbank_harness::{Direction, Ending, Postgres as Server, Proxy};
use sqlx::{
    Executor, PgPool, Pool, Postgres, Sqlite,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use tokio::sync::Barrier;

use crate::{
    OrderForgotten, OrderPlaced,
    commit_thief::CommitThief,
    database::{TestDatabase, execute, migrated},
    placed,
};

/// A claim of the relay whose answer was lost holds its rows for a minute, and it may happen again.
const PATIENCE: Duration = Duration::from_secs(400);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.billed")]
struct OrderBilled {
    cents: i64,
}

#[subscriber(transactional, concurrency = 4)]
async fn bill(order: OrderPlaced, mut tx: Tx<Postgres>) -> Result<OrderBilled, HandlerError> {
    sqlx::query("INSERT INTO charges VALUES ($1)").bind(order.cents).execute(&mut *tx).await?;
    Ok(OrderBilled { cents: order.cents })
}

/// Places an order, again until it is known to be there.
async fn place(bus: &TestBus, pool: &PgPool, number: i64) {
    let begun = Instant::now();
    let place = async || {
        let mut tx = pool.begin().await?;
        sqlx::query("INSERT INTO orders VALUES ($1, $2)")
            .bind(format!("o-{number}"))
            .bind(number)
            .execute(&mut *tx)
            .await?;
        bus.bus()
            .outbox(&mut tx)
            .publish(placed(number))
            .await
            .map_err(|error| sqlx::Error::Protocol(error.to_string()))?;
        tx.commit().await
    };
    while let Err(error) = place().await {
        assert!(begun.elapsed() < PATIENCE, "order {number}: {error}");
        let is_there = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM orders WHERE cents = $1");
        if matches!(is_there.bind(number).fetch_one(pool).await, Ok(1..)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until nothing is left to do, then reads the ledger.
async fn settle(bus: &TestBus, pool: &PgPool, orders: i64) {
    let begun = Instant::now();
    let number = async |query: &'static str| sqlx::query_scalar::<_, i64>(query).fetch_one(pool).await.unwrap_or(-1);
    while number("SELECT count(*) FROM charges").await != orders
        || number("SELECT count(*) FROM bloodbank_outbox").await != 0
        || billed(bus).len() as i64 != orders
    {
        assert!(begun.elapsed() < PATIENCE, "{} of {orders} are billed", billed(bus).len());
        // Those that wait for the database come again.
        bus.advance(Duration::from_secs(1)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let all: BTreeSet<i64> = (0..orders).collect();
    assert_eq!(number("SELECT count(*) FROM orders").await, orders);
    assert_eq!(number("SELECT count(DISTINCT number) FROM charges").await, orders, "each is charged once");
    assert_eq!(billed(bus), all, "none is lost, and none is made up");
    let published: BTreeSet<i64> = bus.published::<OrderPlaced>().iter().map(|event| event.payload.cents).collect();
    assert_eq!(published, all);
    assert_eq!(bus.dead_lettered::<OrderPlaced>().len(), 0);
}

fn billed(bus: &TestBus) -> BTreeSet<i64> {
    bus.published::<OrderBilled>().iter().map(|event| event.payload.cents).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_has_one_effect() {
    const ORDERS: i64 = 60;
    let (direct, ()) = migrated::<Postgres>().await;
    execute(&direct, "CREATE TABLE charges (number bigint NOT NULL)").await;
    let options = (*direct.connect_options()).clone();
    let thief = CommitThief::start(options.get_port()).await;
    let through = options.host("127.0.0.1").port(thief.port());
    let pool = PgPoolOptions::new().max_connections(8).connect_with(through).await.unwrap();
    let bus = TestBus::new();
    let app = App::new("shop", bus.bus()).outbox(pool.clone()).subscribe(bill).start().await.unwrap();
    for number in 0..ORDERS {
        place(&bus, &pool, number).await;
    }
    settle(&bus, &direct, ORDERS).await;
    let (before, after) = thief.stolen();
    assert!(before > 5 && after > 5, "{before} commits did not arrive, the answers to {after} were lost");
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_restarted_frozen_and_cut_off_loses_nothing() {
    const ORDERS: i64 = 400;
    let server = tokio::task::spawn_blocking(Server::start).await.unwrap().unwrap();
    let server = Arc::new(server);
    let proxy = Arc::new(Proxy::to(server.port()).unwrap());
    let options = PgPoolOptions::new().max_connections(8).acquire_timeout(Duration::from_secs(5));
    let pool = options.connect(&server.url_through(proxy.port())).await.unwrap();
    Schema::migrate(&pool).await.unwrap();
    execute(&pool, "CREATE TABLE orders (id text PRIMARY KEY, cents bigint NOT NULL)").await;
    execute(&pool, "CREATE TABLE charges (number bigint NOT NULL)").await;
    let bus = TestBus::new();
    let app = App::new("shop", bus.bus()).outbox(pool.clone()).subscribe(bill).start().await.unwrap();
    let mut fault: Option<tokio::task::JoinHandle<()>> = None;
    for number in 0..ORDERS {
        if number % 80 == 40 {
            if let Some(fault) = fault.take() {
                fault.await.unwrap();
            }
            let (server, proxy) = (Arc::clone(&server), Arc::clone(&proxy));
            fault = Some(tokio::task::spawn_blocking(move || match number / 80 {
                0 => {
                    server.kill().unwrap();
                    server.start_again().unwrap();
                }
                1 => {
                    server.stop().unwrap();
                    server.start_again().unwrap();
                }
                2 => {
                    proxy.stall(Direction::ToClient);
                    std::thread::sleep(Duration::from_secs(2));
                    proxy.resume();
                }
                3 => {
                    proxy.stall(Direction::ToServer);
                    std::thread::sleep(Duration::from_secs(1));
                    proxy.cut(Ending::Reset).unwrap();
                    proxy.resume();
                }
                _ => proxy.cut(Ending::Close).unwrap(),
            }));
        }
        place(&bus, &pool, number).await;
    }
    fault.unwrap().await.unwrap();
    // The end of the leases of this process, whose answers were lost while the server was away.
    tokio::time::sleep(Duration::from_secs(2)).await;
    execute(&pool, "UPDATE bloodbank_outbox SET due_at = due_at - interval '60 seconds'").await;
    settle(&bus, &pool, ORDERS).await;
    app.shutdown().await.unwrap();
}

/// Locks two accounts, each event in the other order.
#[subscriber(transactional, concurrency = 2)]
async fn transfer(
    order: OrderPlaced,
    State((both, runs)): State<(Arc<Barrier>, Arc<AtomicU32>)>,
    mut tx: Tx<Postgres>,
) -> Result<(), HandlerError> {
    let accounts = if order.cents % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
    let debit = "UPDATE accounts SET cents = cents - 1 WHERE id = $1";
    sqlx::query(debit).bind(accounts[0]).execute(&mut *tx).await?;
    if runs.fetch_add(1, Ordering::Relaxed) < 2 {
        both.wait().await;
    }
    sqlx::query(debit).bind(accounts[1]).execute(&mut *tx).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_runs_the_handler_again() {
    let (pool, ()) = migrated::<Postgres>().await;
    execute(&pool, "CREATE TABLE accounts (id text, cents bigint)").await;
    execute(&pool, "INSERT INTO accounts VALUES ('a', 100), ('b', 100)").await;
    let bus = TestBus::new();
    let runs = Arc::new(AtomicU32::new(0));
    let app = App::new("bank", bus.bus()).state((Arc::new(Barrier::new(2)), Arc::clone(&runs))).outbox(pool.clone());
    let app = app.subscribe(transfer).start().await.unwrap();
    bus.publish(placed(1)).await.unwrap();
    bus.publish(placed(2)).await.unwrap();
    bus.idle().await;
    assert_eq!(runs.load(Ordering::Relaxed), 3, "one of them had to run again");
    assert_eq!(Postgres::number(&pool, "SELECT sum(cents)::bigint FROM accounts").await, 196);
    assert_eq!(bus.retried::<OrderPlaced>().len(), 0, "no attempt was used up");
    app.shutdown().await.unwrap();
}

/// Reads, thinks and writes: two of them at once lose one of the effects, unless the database sees to it.
#[subscriber(transactional, concurrency = 2, retry(max_attempts = 9, backoff = "1s"))]
async fn count(_: OrderPlaced, State(runs): State<Arc<AtomicU32>>, mut tx: Tx<Postgres>) -> Result<(), HandlerError> {
    runs.fetch_add(1, Ordering::Relaxed);
    let value: i64 = sqlx::query_scalar("SELECT value FROM counter").fetch_one(&mut *tx).await?;
    tokio::time::sleep(Duration::from_millis(5)).await;
    sqlx::query("UPDATE counter SET value = $1").bind(value + 1).execute(&mut *tx).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serialization_failure_runs_the_handler_again() {
    let (pool, ()) = migrated::<Postgres>().await;
    execute(&pool, "CREATE TABLE counter (value bigint)").await;
    execute(&pool, "INSERT INTO counter VALUES (0)").await;
    let database: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&pool).await.unwrap();
    execute(&pool, &format!("ALTER DATABASE {database} SET default_transaction_isolation = 'serializable'")).await;
    let strict = PgPool::connect_with((*pool.connect_options()).clone()).await.unwrap();
    let (bus, runs) = (TestBus::new(), Arc::new(AtomicU32::new(0)));
    let app = App::new("bank", bus.bus()).state(Arc::clone(&runs)).outbox(strict).subscribe(count);
    let app = app.start().await.unwrap();
    for number in 0..20 {
        bus.publish(placed(number)).await.unwrap();
    }
    bus.idle().await;
    bus.drain_retries().await;
    assert_eq!(Postgres::number(&pool, "SELECT value FROM counter").await, 20);
    assert!(runs.load(Ordering::Relaxed) > 20, "nothing was in the way of anything");
    app.shutdown().await.unwrap();
}

/// Inserts twice what can be there once, and looks away.
#[subscriber(transactional)]
async fn look_away(order: OrderPlaced, mut tx: Tx<Postgres>) -> Result<(), HandlerError> {
    for _ in 0..2 {
        let _ = sqlx::query("INSERT INTO orders VALUES ($1, 1)").bind(&order.order_id).execute(&mut *tx).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_the_handler_ignores_is_no_success() {
    let (pool, ()) = migrated::<Postgres>().await;
    let bus = TestBus::new();
    let app = App::new("shop", bus.bus()).outbox(pool.clone()).subscribe(look_away).start().await.unwrap();
    bus.publish(placed(1)).await.unwrap();
    bus.idle().await;
    bus.drain_retries().await;
    let letters = bus.dead_lettered::<OrderPlaced>();
    assert_eq!(letters.len(), 1, "the database has rolled back, and nothing was kept");
    assert!(format!("{:?}", letters[0]).contains("the handler went on"), "{:?}", letters[0]);
    app.shutdown().await.unwrap();
}

#[subscriber(transactional)]
async fn store(order: OrderPlaced, mut tx: Tx<Sqlite>) -> Result<OrderBilled, HandlerError> {
    let text = "x".repeat(20_000);
    sqlx::query("INSERT INTO charges VALUES ($1, $2)").bind(order.cents).bind(text).execute(&mut *tx).await?;
    Ok(OrderBilled { cents: order.cents })
}

#[tokio::test(flavor = "multi_thread")]
async fn events_wait_while_the_disk_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(folder.path().join("app.db")).create_if_missing(true);
    // The limit is that of a connection.
    let pages = Arc::new(AtomicU32::new(60));
    let limit = Arc::clone(&pages);
    let pool: Pool<Sqlite> = SqlitePoolOptions::new()
        .max_connections(1)
        .after_connect(move |connection, _| {
            let pages = limit.load(Ordering::Relaxed);
            Box::pin(async move {
                let statement = format!("PRAGMA max_page_count = {pages}");
                connection.execute(sqlx::AssertSqlSafe(statement)).await.map(drop)
            })
        })
        .connect_with(options)
        .await
        .unwrap();
    Schema::migrate(&pool).await.unwrap();
    execute(&pool, "CREATE TABLE charges (number bigint NOT NULL, text text NOT NULL)").await;
    let bus = TestBus::new();
    let app = App::new("shop", bus.bus()).outbox(pool.clone()).subscribe(store).start().await.unwrap();
    for number in 0..20 {
        bus.publish(placed(number)).await.unwrap();
    }
    bus.idle().await;
    let stored = Sqlite::number(&pool, "SELECT count(*) FROM charges").await;
    assert!((1..20).contains(&stored), "{stored} fit");
    bus.advance(Duration::from_secs(2)).await;
    assert_eq!(bus.dead_lettered::<OrderPlaced>().len(), 0, "they wait");
    pages.store(100_000, Ordering::Relaxed);
    execute(&pool, "PRAGMA max_page_count = 100000").await;
    let begun = Instant::now();
    while billed(&bus).len() < 20 {
        assert!(begun.elapsed() < PATIENCE);
        bus.advance(Duration::from_secs(1)).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(Sqlite::number(&pool, "SELECT count(DISTINCT number) FROM charges").await, 20);
    assert_eq!(Sqlite::number(&pool, "SELECT count(*) FROM charges").await, 20);
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_that_cannot_be_published_stop_none_of_ten_thousand() {
    const ROWS: i64 = 10_000;
    let (pool, _folder) = migrated::<Sqlite>().await;
    let bus = TestBus::new();
    let mut tx = pool.begin().await.unwrap();
    for number in 0..ROWS {
        if number % 1_000 == 500 {
            let forgotten = OrderForgotten { order_id: number.to_string() };
            bus.bus().outbox(&mut tx).publish(forgotten).mandatory().await.unwrap();
        }
        bus.bus().outbox(&mut tx).publish(placed(number)).await.unwrap();
    }
    tx.execute("INSERT INTO bloodbank_outbox (event_id, event_type, message) VALUES ('x', 'orders.order.broken', '{')")
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let relay = || bloodbank::sql::Relay::new(pool.clone()).run_once(&bus);
    let (one, two) = tokio::join!(relay(), relay());
    assert_eq!(one.unwrap() + two.unwrap(), 10_000);
    let numbers: BTreeSet<i64> = bus.published::<OrderPlaced>().iter().map(|event| event.payload.cents).collect();
    assert_eq!(numbers.len(), 10_000);
    assert_eq!(Sqlite::number(&pool, "SELECT count(*) FROM bloodbank_outbox WHERE parked_at IS NOT NULL").await, 11);
    assert_eq!(Sqlite::number(&pool, "SELECT count(*) FROM bloodbank_outbox").await, 11);
}
