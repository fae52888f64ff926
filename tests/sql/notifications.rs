//! Relays of other processes hear of a commit at once, on PostgreSQL.

use std::time::{Duration, Instant};

use bloodbank::{
    Bus,
    sql::{BusExt, INSERT, OutboxRow, Relay},
    testing::TestBus,
};
use sqlx::{
    PgPool, Postgres,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    OrderPlaced,
    database::{TestDatabase, execute, migrated},
    placed,
};

/// Long enough that two writes are not taken for one.
const APART: Duration = Duration::from_millis(60);

async fn write(bus: &Bus, pool: &PgPool, number: i64, commit: bool) {
    let mut tx = pool.begin().await.unwrap();
    bus.outbox(&mut tx).publish(placed(number)).await.unwrap();
    if commit { tx.commit().await.unwrap() } else { tx.rollback().await.unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_notifies_and_a_rollback_does_not() {
    let (pool, ()) = migrated::<Postgres>().await;
    let bus = TestBus::new();
    let mut listener = PgListener::connect_with(&pool).await.unwrap();
    listener.listen("bloodbank_outbox").await.unwrap();
    let mut is_notified = async |within: u64| timeout(Duration::from_millis(within), listener.recv()).await.is_ok();

    write(&bus, &pool, 1, false).await;
    assert!(!is_notified(300).await, "it was rolled back");
    write(&bus, &pool, 2, true).await;
    assert!(is_notified(10_000).await);
    sleep(APART).await;
    // One notification stands for all that follow it closely: each keeps other commits waiting.
    for number in 3..13 {
        let mut tx = pool.begin().await.unwrap();
        bus.bus().outbox(&mut tx).publish(placed(number)).await.unwrap();
        bus.bus().outbox(&mut tx).publish(placed(number)).await.unwrap();
        tx.commit().await.unwrap();
    }
    assert!(is_notified(10_000).await);
    let mut notified = 1;
    while is_notified(300).await {
        notified += 1;
    }
    assert!(notified < 10, "{notified} notifications for ten commits");
    assert_eq!(Postgres::number(&pool, "SELECT count(*) FROM bloodbank_outbox").await, 21);

    // This process has a relay of its own now, and wakes that.
    let stop = CancellationToken::new();
    let relay = tokio::spawn(Relay::new(pool.clone()).run(bus.bus(), stop.clone()));
    soon(|| bus.published::<OrderPlaced>().len() == 21).await;
    while is_notified(300).await {}
    write(&bus, &pool, 14, true).await;
    assert!(!is_notified(300).await, "the relay of this process is enough");
    soon(|| bus.published::<OrderPlaced>().len() == 22).await;
    stop.cancel();
    relay.await.unwrap().unwrap();
}

async fn soon(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(120));
        sleep(Duration::from_millis(5)).await;
    }
}

/// Writes a row as a process does that has another library.
async fn write_elsewhere(bus: &TestBus, pool: &PgPool, number: i64, notify: bool) {
    let row = OutboxRow::of(&bus.publish(placed(number)).prepare().unwrap()).unwrap();
    let mut tx = pool.begin().await.unwrap();
    let insert = sqlx::query(INSERT).bind(row.event_id).bind(row.event_type).bind(row.message).bind(row.order_key);
    insert.execute(&mut *tx).await.unwrap();
    if notify {
        sqlx::query("NOTIFY bloodbank_outbox").execute(&mut *tx).await.unwrap();
    }
    tx.commit().await.unwrap();
}

const LISTENERS: &str = "SELECT coalesce(max(pid), 0)::bigint FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";

/// The process id of the connection that listens, another one than before.
async fn listener(pool: &PgPool, before: i64) -> i64 {
    let begun = Instant::now();
    loop {
        let pid = Postgres::number(pool, LISTENERS).await;
        if pid != 0 && pid != before {
            return pid;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "nobody listens");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_looks_once_an_hour_hears_of_commits_elsewhere_and_listens_again() {
    let (pool, ()) = migrated::<Postgres>().await;
    let bus = TestBus::new();
    // One connection: it listens on another one.
    let options = PgPoolOptions::new().max_connections(1).acquire_timeout(Duration::from_secs(5));
    let own = options.connect_with((*pool.connect_options()).clone()).await.unwrap();
    let stop = CancellationToken::new();
    let relay = Relay::new(own).interval(Duration::from_secs(3600));
    let relay = tokio::spawn(relay.run(bus.bus(), stop.clone()));
    let mut pid = 0;
    for number in 0..2 {
        pid = listener(&pool, pid).await;
        // The times between its looks double: it has looked after 4.1 and 8.2 seconds, and looks again after 16.4.
        sleep(Duration::from_millis(8600)).await;
        write_elsewhere(&bus, &pool, number, true).await;
        let written = Instant::now();
        soon(|| bus.published::<OrderPlaced>().len() as i64 == number + 1).await;
        assert!(written.elapsed() < Duration::from_secs(7), "{:?}", written.elapsed());
        execute(&pool, &format!("SELECT pg_terminate_backend({pid})")).await;
    }
    stop.cancel();
    relay.await.unwrap().unwrap();
    let begun = Instant::now();
    while Postgres::number(&pool, LISTENERS).await != 0 {
        assert!(begun.elapsed() < Duration::from_secs(120), "it listens after its end");
        sleep(Duration::from_millis(20)).await;
    }
}

/// As behind a pooler, which gives the connection that listens to somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_hears_nothing_looks_all_the_same() {
    let (pool, ()) = migrated::<Postgres>().await;
    let bus = TestBus::new();
    let stop = CancellationToken::new();
    let relay = tokio::spawn(Relay::new(pool.clone()).run(bus.bus(), stop.clone()));
    listener(&pool, 0).await;
    sleep(Duration::from_secs(1)).await;
    for number in 0..3 {
        write_elsewhere(&bus, &pool, number, false).await;
        soon(|| bus.published::<OrderPlaced>().len() as i64 == number + 1).await;
    }
    stop.cancel();
    relay.await.unwrap().unwrap();
}
