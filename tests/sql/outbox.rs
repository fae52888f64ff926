//! The outbox and its relay.

use std::time::{Duration, Instant};

use bloodbank::{
    App, BoxError, Bus,
    app::HealthState,
    prelude::*,
    sql::{AppExt, BusExt, OutboxTable, Relay},
    testing::TestBus,
};
use sqlx::Pool;
use uuid::Uuid;

use crate::{
    OrderForgotten, OrderPlaced,
    database::{TestDatabase, execute, migrated, on_both},
    placed,
};

on_both! {
    what_is_committed_is_published_and_nothing_else
    every_option_of_a_publish_is_kept
    a_row_that_cannot_be_published_is_parked_and_stops_no_other
    two_relays_share_the_rows
    events_of_one_value_are_published_in_order
    rows_of_a_relay_that_died_wait_for_the_end_of_its_lease
    an_app_publishes_soon_after_the_commit
    rows_wait_while_the_broker_is_away
    the_health_says_that_the_outbox_cannot_be_read
    the_metrics_say_what_waits_and_what_was_published
}

async fn write<DB: TestDatabase>(bus: &Bus, pool: &Pool<DB>, numbers: std::ops::Range<i64>) {
    let mut tx = pool.begin().await.unwrap();
    for number in numbers {
        bus.outbox(&mut tx).publish(placed(number)).await.unwrap();
    }
    tx.commit().await.unwrap();
}

/// A row that no program of ours wrote.
const BROKEN: &str = "INSERT INTO bloodbank_outbox (event_id, event_type, message) \
     VALUES ('0b0f4f0e-0d3e-4c1f-8a65-9f0c3b0d2a11', 'orders.order.broken', 'no JSON')";

fn published(bus: &TestBus) -> Vec<i64> {
    bus.published::<OrderPlaced>().into_iter().map(|envelope| envelope.payload.cents).collect()
}

async fn what_is_committed_is_published_and_nothing_else<DB: TestDatabase>() {
    let (pool, _guard) = migrated::<DB>().await;
    let bus = TestBus::new();
    let mut tx = pool.begin().await.unwrap();
    DB::run(&mut tx, "INSERT INTO orders VALUES ('o-1', 1)").await;
    let receipt = bus.outbox(&mut tx).publish(placed(1)).await.unwrap();
    assert_eq!(Relay::new(pool.clone()).run_once(&bus).await.unwrap(), 0, "nothing is committed yet");
    tx.commit().await.unwrap();

    let mut tx = pool.begin().await.unwrap();
    DB::run(&mut tx, "INSERT INTO orders VALUES ('o-2', 2)").await;
    bus.outbox(&mut tx).publish(placed(2)).await.unwrap();
    tx.rollback().await.unwrap();

    assert_eq!(Relay::new(pool.clone()).run_once(&bus).await.unwrap(), 1);
    let events = bus.published::<OrderPlaced>();
    assert_eq!(events.iter().map(|event| event.event_id).collect::<Vec<_>>(), [receipt.event_id]);
    assert_eq!(DB::number(&pool, "SELECT count(*) FROM orders").await, 1);
    assert_eq!(OutboxTable::new(pool.clone()).backlog().await.unwrap(), Default::default());
    assert_eq!(Relay::new(pool).run_once(&bus).await.unwrap(), 0);
}

async fn every_option_of_a_publish_is_kept<DB: TestDatabase>() {
    let (pool, _guard) = migrated::<DB>().await;
    let bus = TestBus::new();
    let (cause, event_id, now) = (Uuid::new_v4(), Uuid::new_v4(), chrono::Utc::now());
    let options = || {
        let metadata = [("why".to_owned(), "test".into())].into_iter().collect();
        let event = bus.publish(placed(1)).caused_by(&cause).event_id(event_id).header("tenant", "acme");
        event.metadata(metadata).expires_in(Duration::from_secs(9)).timestamp(now)
    };
    let direct = options().prepare().unwrap();
    let mut tx = pool.begin().await.unwrap();
    let metadata = [("why".to_owned(), "test".into())].into_iter().collect();
    let event = bus.outbox(&mut tx).publish(placed(1)).caused_by(&cause).event_id(event_id).header("tenant", "acme");
    let event = event.metadata(metadata).expires_in(Duration::from_secs(9));
    event.timestamp(now).await.unwrap();
    let payload = serde_json::json!({ "order_id": "o-2", "cents": 2 });
    bus.outbox(&mut tx).publish_value("orders.order.placed", &payload).header("tenant", "acme").await.unwrap();
    let error = bus.outbox(&mut tx).publish(placed(3)).header("x-death", "no").await.unwrap_err();
    assert!(error.to_string().contains("x-death"), "{error}");
    tx.commit().await.unwrap();

    let table = OutboxTable::new(pool.clone());
    let rows = table.list(false, 10).await.unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].event_id, &*rows[0].event_type), (event_id, "orders.order.placed"));
    let (_, kept) = table.show(rows[0].id).await.unwrap();
    // But for the end of its life, which counts from when each was prepared.
    let json = |prepared: bloodbank::publish::Prepared| {
        let mut json = serde_json::to_value(prepared).unwrap();
        let headers = json["properties"]["headers"].as_array_mut().unwrap();
        headers.retain(|header| header[0] != "bloodbank-expires-at");
        assert_eq!(headers.len(), 1);
        json
    };
    assert_eq!(json(kept.unwrap()), json(direct));

    assert_eq!(Relay::new(pool).run_once(&bus).await.unwrap(), 2);
    assert_eq!(published(&bus), [1, 2]);
    // The relay records the causation, as a publish does.
    let correlation = bus.correlation().unwrap();
    correlation.flush().await;
    assert_eq!(correlation.parents(event_id).await.unwrap(), [cause]);
}

async fn a_row_that_cannot_be_published_is_parked_and_stops_no_other<DB: TestDatabase>() {
    let (pool, _guard) = migrated::<DB>().await;
    let bus = TestBus::new();
    write(&bus, &pool, 0..20).await;
    let mut tx = pool.begin().await.unwrap();
    bus.outbox(&mut tx).publish(OrderForgotten { order_id: "o".to_owned() }).mandatory().await.unwrap();
    tx.commit().await.unwrap();
    execute(&pool, BROKEN).await;
    write(&bus, &pool, 20..40).await;

    assert_eq!(Relay::new(pool.clone()).batch(16).run_once(&bus).await.unwrap(), 40);
    assert_eq!(published(&bus), (0..40).collect::<Vec<_>>());
    let table = OutboxTable::new(pool.clone());
    let parked = table.list(true, 10).await.unwrap();
    let errors: Vec<&str> = parked.iter().map(|row| row.error.as_deref().unwrap()).collect();
    assert!(errors[0].contains("no queue receives `orders.order.forgotten`"), "{errors:?}");
    assert!(errors[1].contains("no prepared event"), "{errors:?}");
    let backlog = table.backlog().await.unwrap();
    assert_eq!((backlog.waiting, backlog.parked, backlog.oldest), (0, 2, None));

    // Once somebody subscribes, it can be published.
    #[subscriber]
    async fn remember(_: OrderForgotten) {}
    let app = App::new("memory", bus.bus()).subscribe(remember).start().await.unwrap();
    assert_eq!(table.retry(&[parked[0].id]).await.unwrap(), 1);
    assert_eq!(Relay::new(pool.clone()).run_once(&bus).await.unwrap(), 1);
    bus.idle().await;
    assert_eq!(bus.consumed::<OrderForgotten>().len(), 1);
    app.shutdown().await.unwrap();
    assert_eq!(table.discard(&[]).await.unwrap(), 1);
    assert_eq!(table.backlog().await.unwrap(), Default::default());
}

async fn two_relays_share_the_rows<DB: TestDatabase>() {
    let (pool, _guard) = migrated::<DB>().await;
    let bus = TestBus::new();
    write(&bus, &pool, 0..300).await;
    let relay = || Relay::new(pool.clone()).batch(10).run_once(&bus);
    let (one, two) = tokio::join!(relay(), relay());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one + two, 300);
    assert!(one > 0 && two > 0, "{one} and {two}");
    let mut numbers = published(&bus);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>(), "each of them once");
}

async fn events_of_one_value_are_published_in_order<DB: TestDatabase>() {
    let (pool, _guard) = migrated::<DB>().await;
    let bus = TestBus::new();
    let mut tx = pool.begin().await.unwrap();
    for number in 0..60 {
        bus.outbox(&mut tx).ordered_by(number % 3).publish(placed(number)).await.unwrap();
    }
    tx.commit().await.unwrap();
    let relay = || Relay::new(pool.clone()).batch(5).run_once(&bus);
    let (one, two) = tokio::join!(relay(), relay());
    // A relay that finds the rest of its values in the hands of the other one has nothing to do.
    let rest = relay().await.unwrap();
    assert_eq!(one.unwrap() + two.unwrap() + rest, 60);
    let numbers = published(&bus);
    for value in 0..3 {
        let of_value: Vec<i64> = numbers.iter().copied().filter(|number| number % 3 == value).collect();
        assert!(of_value.is_sorted(), "{of_value:?}");
    }
}

async fn rows_of_a_relay_that_died_wait_for_the_end_of_its_lease<DB: TestDatabase>() {
    let (pool, _guard) = migrated::<DB>().await;
    let bus = TestBus::new();
    write(&bus, &pool, 0..3).await;
    // A relay that is stopped between its claim and its publish.
    let dying = bloodbank_harness::unique("relay");
    let claimed = "UPDATE bloodbank_outbox SET claim = '0b0f4f0e-0d3e-4c1f-8a65-9f0c3b0d2a11', due_at = ";
    let soon = if DB::NAME == "SQLite" {
        "unixepoch('subsec') * 1000 + 800"
    } else {
        "clock_timestamp() + interval '800 milliseconds'"
    };
    let soon = if DB::NAME == "SQLite" { format!("CAST({soon} AS INTEGER)") } else { soon.to_owned() };
    execute(&pool, &format!("{claimed}{soon}")).await;
    drop(dying);
    assert_eq!(Relay::new(pool.clone()).run_once(&bus).await.unwrap(), 0);
    let begun = Instant::now();
    while Relay::new(pool.clone()).run_once(&bus).await.unwrap() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(120));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(published(&bus), [0, 1, 2]);
}

async fn an_app_publishes_soon_after_the_commit<DB: TestDatabase>() {
    let (pool, _guard) = migrated::<DB>().await;
    let bus = Bus::embedded();
    let (seen, mut handled) = tokio::sync::mpsc::unbounded_channel::<i64>();
    #[subscriber]
    async fn see(
        order: OrderPlaced,
        State(seen): State<tokio::sync::mpsc::UnboundedSender<i64>>,
    ) -> Result<(), BoxError> {
        seen.send(order.cents)?;
        Ok(())
    }
    // It looks for rows of others once an hour: what comes at once, comes because this process wrote it.
    let relay = Relay::new(pool.clone()).interval(Duration::from_secs(3600));
    let app = App::new("shop", bus.clone()).task(relay).state(seen).subscribe(see).start().await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    for number in 0..3 {
        write(&bus, &pool, number..number + 1).await;
        let seen = tokio::time::timeout(Duration::from_secs(60), handled.recv()).await;
        assert_eq!(seen.unwrap(), Some(number));
    }
    app.shutdown().await.unwrap();
    assert_eq!(OutboxTable::new(pool).backlog().await.unwrap(), Default::default());
}

async fn rows_wait_while_the_broker_is_away<DB: TestDatabase>() {
    let (pool, _guard) = migrated::<DB>().await;
    let bus = Bus::embedded();
    write(&bus, &pool, 0..5).await;
    bus.close().await;
    assert_eq!(Relay::new(pool.clone()).run_once(&bus).await.unwrap(), 0);
    let rows = OutboxTable::new(pool.clone()).list(false, 10).await.unwrap();
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row.attempts == 0 && !row.is_parked && row.error.is_some()), "{rows:?}");
    let other = TestBus::new();
    OutboxTable::new(pool.clone()).retry(&[]).await.unwrap();
    assert_eq!(Relay::new(pool).run_once(&other).await.unwrap(), 5);
}

async fn the_health_says_that_the_outbox_cannot_be_read<DB: TestDatabase>() {
    let (pool, _guard) = migrated::<DB>().await;
    let bus = Bus::embedded();
    let app = App::new("shop", bus.clone()).outbox(pool.clone()).start().await.unwrap();
    assert_eq!(app.health().state, HealthState::Healthy);
    pool.close().await;
    let begun = Instant::now();
    while app.health().state == HealthState::Healthy {
        assert!(begun.elapsed() < Duration::from_secs(120));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let health = app.health();
    assert!(health.ready && health.reasons[0].contains("the outbox cannot be read"), "{health:?}");
    app.shutdown().await.unwrap();
    assert_eq!(bus.health().state, HealthState::Healthy, "it is nothing to the bus any more");
}

async fn the_metrics_say_what_waits_and_what_was_published<DB: TestDatabase>() {
    let (pool, _guard) = migrated::<DB>().await;
    bloodbank_probes::install_recorder();
    let bus = Bus::embedded();
    write(&bus, &pool, 0..5).await;
    // What cannot be read is parked.
    execute(&pool, BROKEN).await;
    let closed = Bus::embedded();
    closed.close().await;
    let app = App::new("shop", closed).outbox(pool.clone()).start().await.unwrap();
    until_metrics(|value| value("rows") >= Some(5.0) && value("oldest_seconds") > Some(0.0)).await;
    app.shutdown().await.unwrap();
    // All of them, so that the broken one is parked once more.
    OutboxTable::new(pool.clone()).retry(&[]).await.unwrap();
    let app = App::new("shop", bus).outbox(pool.clone()).start().await.unwrap();
    let all =
        |value: &dyn Fn(&str) -> Option<f64>| ["rows", "oldest_seconds", "published_total", "parked_total"].map(value);
    until_metrics(|value| all(value) == [Some(0.0), Some(0.0), Some(5.0), Some(2.0)]).await;
    app.shutdown().await.unwrap();
}

/// Waits until the metrics of the outbox have these values.
async fn until_metrics(is_so: impl Fn(&dyn Fn(&str) -> Option<f64>) -> bool) {
    let begun = Instant::now();
    loop {
        let text = bloodbank_probes::render_metrics().unwrap();
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.strip_prefix("bloodbank_outbox_")?.split_once(' '));
            lines.find(|(known, _)| *known == name)?.1.parse().ok()
        };
        if is_so(&value) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
