//! The clock of the database jumps while two relays work.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bloodbank::{
    sql::{BusExt, OutboxTable, Relay, Schema},
    testing::TestBus,
};
use sqlx::{PgPool, Pool, Postgres, postgres::PgPoolOptions};
use tokio_util::sync::CancellationToken;

use crate::{
    OrderPlaced,
    database::{TestDatabase, execute, migrated, on_both},
    placed,
};

on_both! { rows_from_before_the_clock_was_set_back_are_published }

/// The hour of daylight saving time on a clock without a time zone, or a virtual machine that was asleep.
async fn rows_from_before_the_clock_was_set_back_are_published<DB: TestDatabase>() {
    let (pool, _guard) = migrated::<DB>().await;
    let bus = TestBus::new();
    write(&bus, &pool, 0..4).await;
    let hour = if DB::NAME == "SQLite" { "3600000" } else { "interval '1 hour'" };
    let minute = if DB::NAME == "SQLite" { "60000" } else { "interval '1 minute'" };
    // Two were written by that clock, one of them was claimed by it, and one waits for its next attempt.
    execute(&pool, &format!("UPDATE bloodbank_outbox SET due_at = due_at + {hour} WHERE id IN (1, 2)")).await;
    let claimed = "UPDATE bloodbank_outbox SET claim = '0b0f4f0e-0d3e-4c1f-8a65-9f0c3b0d2a11' WHERE id = 2";
    execute(&pool, claimed).await;
    execute(&pool, &format!("UPDATE bloodbank_outbox SET due_at = due_at + {minute} WHERE id = 3")).await;
    assert_eq!(Relay::new(pool.clone()).run_once(&bus).await.unwrap(), 3);
    let left = OutboxTable::new(pool).list(false, 10).await.unwrap();
    assert_eq!(left.iter().map(|row| row.id).collect::<Vec<_>>(), [3], "a delay is a delay");
}

async fn write<DB: TestDatabase>(bus: &TestBus, pool: &Pool<DB>, numbers: std::ops::Range<i64>) {
    let mut tx = pool.begin().await.unwrap();
    for number in numbers {
        bus.bus().outbox(&mut tx).publish(placed(number)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// A pool whose clock is that of the server and as many seconds later as the table `clock` says.
pub(crate) async fn with_a_clock_that_jumps(pool: &PgPool) -> PgPool {
    for statement in [
        "CREATE SCHEMA jumping",
        "CREATE TABLE jumping.clock (seconds bigint NOT NULL)",
        "INSERT INTO jumping.clock VALUES (0)",
        "CREATE FUNCTION jumping.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS \
         $$ SELECT pg_catalog.clock_timestamp() + (SELECT seconds FROM jumping.clock) * interval '1 second' $$",
    ] {
        execute(pool, statement).await;
    }
    // What stands before `pg_catalog` hides what is in it.
    let options = (*pool.connect_options()).clone().options([("search_path", "jumping,pg_catalog,public")]);
    PgPoolOptions::new().max_connections(8).connect_with(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_clock_jumps_under_two_relays() {
    const ROWS: i64 = 1_000;
    let (plain, ()) = Postgres::create().await;
    let pool = with_a_clock_that_jumps(&plain).await;
    // Also the defaults of the columns are of that clock.
    Schema::migrate(&pool).await.unwrap();
    let bus = TestBus::new();
    let stop = CancellationToken::new();
    let relays: Vec<_> =
        (0..2).map(|_| tokio::spawn(Relay::new(pool.clone()).batch(20).run(bus.bus(), stop.clone()))).collect();
    for number in 0..ROWS / 20 {
        if number % 10 == 5 {
            let seconds = [3_600, 0, -7_200, 86_400, 0][number as usize / 10 % 5];
            execute(&plain, &format!("UPDATE jumping.clock SET seconds = {seconds}")).await;
        }
        write(&bus, &pool, number * 20..(number + 1) * 20).await;
    }
    // It ends in the past of most of what was written.
    execute(&plain, "UPDATE jumping.clock SET seconds = -90000").await;
    let begun = Instant::now();
    while Postgres::number(&pool, "SELECT count(*) FROM bloodbank_outbox").await > 0 {
        let left = Postgres::number(&pool, "SELECT count(*) FROM bloodbank_outbox").await;
        assert!(begun.elapsed() < Duration::from_secs(120), "{left} rows wait for the clock");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    for relay in relays {
        relay.await.unwrap().unwrap();
    }
    let mut published = BTreeMap::<i64, Vec<_>>::new();
    for event in bus.published::<OrderPlaced>() {
        published.entry(event.payload.cents).or_default().push(event.event_id);
    }
    assert_eq!(published.keys().copied().collect::<Vec<_>>(), (0..ROWS).collect::<Vec<_>>(), "none is lost");
    for ids in published.values() {
        // Twice where a lease ended too soon, and always as the same event.
        assert!(ids.iter().all(|id| id == &ids[0]), "{ids:?}");
    }
}
