//! Transactional subscribers: the mark, what the handler writes, and its follow-ups are one commit.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use bloodbank::{
    App, CommandManager, Context, DeadLetters, HandlerError,
    dead_letter::{Filter, Mode},
    message::{Outgoing, Properties, names},
    prelude::*,
    sql::{AppExt, BusExt, OutboxTable, Relay, Tx, sqlite_in_memory},
    testing::TestBus,
};
use sqlx::{Executor, Pool, Postgres, Sqlite};
use uuid::Uuid;

use crate::{
    OrderPlaced,
    database::{TestDatabase, execute, migrated},
    placed,
};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.charged")]
struct OrderCharged {
    cents: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.noted")]
struct OrderNoted {
    cents: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.failed", failure)]
struct OrderFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

/// What the handlers are told, and how often they ran.
#[derive(Clone, Default)]
struct Script {
    runs: Arc<AtomicU32>,
    fails: bool,
    panics: bool,
}

/// The same body for each database: the macro needs a type with a name.
macro_rules! bodies {
    ($module:ident $database:ident) => {
        mod $module {
            use super::*;

            #[subscriber(transactional, retry(max_attempts = 2, backoff = "1s"), dedupe(within = "1h"))]
            async fn charge(
                order: OrderPlaced,
                State(script): State<Script>,
                mut tx: Tx<$database>,
            ) -> Result<OrderCharged, OrderFailed> {
                script.runs.fetch_add(1, Ordering::Relaxed);
                let statement = format!("INSERT INTO orders VALUES ('{}', {})", order.order_id, order.cents);
                tx.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
                tx.publish(OrderNoted { cents: order.cents }).await.unwrap();
                assert!(!script.panics, "as the script says");
                if script.fails {
                    let error_message = "no money".to_owned();
                    return Err(OrderFailed { error_message, is_retryable: true, retry_count: 0 });
                }
                Ok(OrderCharged { cents: order.cents })
            }

            async fn started(bus: &TestBus, script: Script) -> (bloodbank::RunningApp, Pool<$database>, impl Sized) {
                let (pool, guard) = migrated::<$database>().await;
                let app = App::new("shop", bus.bus()).state(script).outbox(pool.clone()).subscribe(charge);
                (app.start().await.unwrap(), pool, guard)
            }

            async fn orders(pool: &Pool<$database>) -> i64 {
                $database::number(pool, "SELECT count(*) FROM orders").await
            }

            /// Waits until the relay has published what `Tx::publish` wrote.
            async fn noted(bus: &TestBus, count: usize) {
                let begun = std::time::Instant::now();
                while bus.published::<OrderNoted>().len() < count {
                    assert!(begun.elapsed() < Duration::from_secs(120));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn an_event_that_comes_three_times_has_one_effect() {
                let (bus, script) = (TestBus::new(), Script::default());
                let (app, pool, _guard) = started(&bus, script.clone()).await;
                let cause = bus.publish(placed(7)).await.unwrap();
                for _ in 0..2 {
                    bus.publish(placed(7)).event_id(cause.event_id).await.unwrap();
                }
                bus.idle().await;
                noted(&bus, 1).await;
                assert_eq!(orders(&pool).await, 1);
                assert_eq!(script.runs.load(Ordering::Relaxed), 1);
                let charged = bus.published::<OrderCharged>();
                assert_eq!(charged.len(), 1);
                assert_eq!(charged[0].correlation_ids, [cause.event_id]);
                assert_eq!(bus.published::<OrderNoted>()[0].correlation_ids, [cause.event_id]);
                app.shutdown().await.unwrap();
                assert_eq!(OutboxTable::new(pool).backlog().await.unwrap(), Default::default());
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_replayed_event_has_one_effect_for_each_replay() {
                let (bus, script) = (TestBus::new(), Script::default());
                let (app, pool, _guard) = started(&bus, script.clone()).await;
                let cause = bus.publish(placed(7)).await.unwrap();
                bus.idle().await;
                let body = serde_json::to_vec(&bus.published::<OrderPlaced>()[0]).unwrap();
                for (replay, effects) in [(1, 1), (1, 0), (2, 1)] {
                    execute(&pool, "DELETE FROM orders").await;
                    let properties = Properties::default()
                        .message_id(cause.event_id)
                        .header(names::REPLAYED, Uuid::from_u128(replay).to_string());
                    let message = Outgoing::new("", "shop.charge", body.clone()).properties(properties);
                    bus.transport().publish(message).await.unwrap();
                    bus.idle().await;
                    assert_eq!(orders(&pool).await, effects, "replay {replay}");
                }
                assert_eq!(script.runs.load(Ordering::Relaxed), 3);
                assert_eq!(bus.published::<OrderCharged>().len(), 3);
                app.shutdown().await.unwrap();
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn what_a_handler_wrote_before_it_failed_is_not_there() {
                for panics in [false, true] {
                    let (bus, script) = (TestBus::new(), Script { fails: true, panics, ..Script::default() });
                    let (app, pool, _guard) = started(&bus, script.clone()).await;
                    bus.publish(placed(7)).await.unwrap();
                    bus.drain_retries().await;
                    assert_eq!(script.runs.load(Ordering::Relaxed), 2, "every attempt runs");
                    assert_eq!(orders(&pool).await, 0);
                    assert_eq!($database::number(&pool, "SELECT count(*) FROM bloodbank_inbox").await, 0);
                    assert_eq!(OutboxTable::new(pool.clone()).backlog().await.unwrap(), Default::default());
                    assert_eq!(bus.published::<OrderCharged>().len() + bus.published::<OrderNoted>().len(), 0);
                    assert_eq!(bus.published::<OrderFailed>().len(), if panics { 0 } else { 2 });
                    let dead = bus.dead_lettered::<OrderPlaced>();
                    assert_eq!(dead.len(), 1);
                    assert_eq!(dead[0].reason, if panics { "panicked" } else { "attempts" });
                    app.shutdown().await.unwrap();
                }
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn follow_ups_of_a_process_that_died_after_its_commit_are_relayed() {
                let (bus, script) = (TestBus::new(), Script::default());
                let (app, pool, _guard) = started(&bus, script.clone()).await;
                // The mark and the follow-up of a handler whose process died: committed, and not acknowledged.
                let event_id = uuid::Uuid::new_v4();
                let mut tx = pool.begin().await.unwrap();
                let mark = format!(
                    "INSERT INTO bloodbank_inbox (queue, event_id, expires_at) SELECT 'shop.charge', '{event_id}', \
                     max(due) FROM (SELECT due_at AS due FROM bloodbank_outbox) AS dues"
                );
                bus.outbox(&mut tx).publish(OrderCharged { cents: 7 }).caused_by(&event_id).await.unwrap();
                $database::run(&mut tx, &mark).await;
                // Before the commit: a mark that is over is swept away.
                let longer = "UPDATE bloodbank_inbox SET expires_at = expires_at + ";
                let hour = if stringify!($database) == "Sqlite" { "3600000" } else { "interval '1 hour'" };
                $database::run(&mut tx, &format!("{longer}{hour}")).await;
                tx.commit().await.unwrap();
                bus.publish(placed(7)).event_id(event_id).await.unwrap();
                bus.idle().await;
                assert_eq!(script.runs.load(Ordering::Relaxed), 0, "it is a duplicate");
                Relay::new(pool.clone()).run_once(&bus).await.unwrap();
                let begun = std::time::Instant::now();
                while bus.published::<OrderCharged>().is_empty() {
                    assert!(begun.elapsed() < Duration::from_secs(120));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                // An expired mark is none.
                execute(&pool, &format!("UPDATE bloodbank_inbox SET expires_at = expires_at - 2 * {hour}")).await;
                bus.publish(placed(7)).event_id(event_id).await.unwrap();
                bus.idle().await;
                assert_eq!(script.runs.load(Ordering::Relaxed), 1);
                app.shutdown().await.unwrap();
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn an_event_waits_while_the_database_is_away_and_uses_up_no_attempt() {
                let (bus, script) = (TestBus::new(), Script::default());
                let (app, pool, _guard) = started(&bus, script.clone()).await;
                pool.close().await;
                bus.publish(placed(7)).await.unwrap();
                bus.idle().await;
                for _ in 0..10 {
                    bus.advance(Duration::from_secs(1)).await;
                }
                assert_eq!(script.runs.load(Ordering::Relaxed), 0);
                assert_eq!(bus.dead_lettered::<OrderPlaced>().len(), 0, "it is not given up");
                app.shutdown().await.unwrap();
            }
        }
    };
}

bodies!(sqlite Sqlite);
bodies!(postgres Postgres);

#[subscriber(transactional)]
async fn tally(order: OrderPlaced, mut tx: Tx<Sqlite>) -> Result<OrderCharged, HandlerError> {
    sqlx::query("INSERT INTO charges VALUES ($1)").bind(order.cents).execute(&mut *tx).await?;
    tx.publish(OrderNoted { cents: order.cents }).await?;
    Ok(OrderCharged { cents: order.cents })
}

#[tokio::test]
async fn a_unit_test_needs_no_server_and_no_file() {
    let pool = sqlite_in_memory().await.unwrap();
    sqlx::query("CREATE TABLE charges (cents bigint NOT NULL)").execute(&pool).await.unwrap();
    let bus = TestBus::new();
    let _app = App::new("shop", bus.bus()).state(pool.clone()).subscribe(tally).start().await.unwrap();
    let cause = bus.publish(placed(7)).await.unwrap();
    bus.publish(placed(7)).event_id(cause.event_id).await.unwrap();
    bus.idle().await;
    assert_eq!(bus.published::<OrderCharged>().len(), 1);
    assert_eq!(Sqlite::number(&pool, "SELECT count(*) FROM charges").await, 1);
    // Without the relay of `App::outbox` the test says when events of `Tx::publish` are published.
    assert_eq!(bus.published::<OrderNoted>().len(), 0);
    assert_eq!(Relay::new(pool).run_once(&bus).await.unwrap(), 1);
    assert_eq!(bus.published::<OrderNoted>().len(), 1);
}

/// A handler that gives its transaction to somebody else cannot commit.
#[subscriber(transactional, retry(max_attempts = 1, backoff = "1s"))]
async fn keep(_: OrderPlaced, context: Context, tx: Tx<Sqlite>) -> Result<(), HandlerError> {
    let cancellation = context.cancellation().clone();
    tokio::spawn(async move {
        cancellation.cancelled().await;
        drop(tx);
    });
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_keeps_its_transaction_is_told() {
    let (pool, _guard) = migrated::<Sqlite>().await;
    let bus = TestBus::new();
    let app = App::new("shop", bus.bus()).outbox(pool).subscribe(keep).start().await.unwrap();
    bus.publish(placed(7)).await.unwrap();
    bus.idle().await;
    let dead = bus.dead_lettered::<OrderPlaced>();
    assert!(dead[0].error.contains("has kept its `Tx`"), "{dead:?}");
    app.shutdown().await.unwrap();
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.refund", command, reply = OrderCharged)]
struct RefundOrder {
    cents: i64,
}

#[command(transactional(Tx<Sqlite>), retry(max_attempts = 1, backoff = "1s"))]
impl Command for RefundOrder {
    type State = ();
    type Failure = OrderFailed;

    async fn execute(
        &self,
        context: &CommandContext<()>,
        events: &mut EventCollector,
    ) -> Result<OrderCharged, OrderFailed> {
        let failed = |error: &dyn ToString| OrderFailed {
            error_message: error.to_string(),
            is_retryable: false,
            retry_count: 0,
        };
        let mut tx = Tx::<Sqlite>::of(context).map_err(|error| failed(&error))?;
        let written = sqlx::query("INSERT INTO charges VALUES ($1)").bind(-self.cents).execute(&mut *tx).await;
        written.map_err(|error| failed(&error))?;
        events.add(OrderNoted { cents: -self.cents });
        if self.cents > 100 { Err(failed(&"too much")) } else { Ok(OrderCharged { cents: -self.cents }) }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactional_command_has_its_effect_once_and_is_answered() {
    let pool = sqlite_in_memory().await.unwrap();
    sqlx::query("CREATE TABLE charges (cents bigint NOT NULL)").execute(&pool).await.unwrap();
    let bus = TestBus::new();
    let commands = || CommandManager::matching("orders.order.refund");
    let error = App::new("shop", bus.bus()).commands(commands()).start().await.unwrap_err();
    assert!(error.to_string().contains("Pool<sqlx_sqlite::database::Sqlite>"), "{error}");
    assert!(error.to_string().contains("add `.outbox(…)`"), "{error}");

    let app = App::new("shop", bus.bus()).state(pool.clone()).commands(commands()).start().await.unwrap();
    let charges = async || Sqlite::number(&pool, "SELECT coalesce(sum(cents), 0) FROM charges").await;
    assert_eq!(bus.execute(RefundOrder { cents: 7 }).await.unwrap().cents, -7);
    assert_eq!(charges().await, -7);
    assert_eq!(bus.published::<OrderNoted>().len(), 1);
    let cause = bus.publish(RefundOrder { cents: 5 }).await.unwrap();
    bus.publish(RefundOrder { cents: 5 }).event_id(cause.event_id).await.unwrap();
    bus.idle().await;
    assert_eq!(charges().await, -12);

    let failed = bus.execute(RefundOrder { cents: 101 }).await.unwrap_err();
    assert!(failed.to_string().contains("too much"), "{failed}");
    assert_eq!(charges().await, -12, "what it wrote before it failed is not there");
    assert_eq!(bus.published::<OrderNoted>().len(), 2);
    app.shutdown().await.unwrap();
}

/// What comes of one order has one place after another in its table, and stops at what is broken.
#[subscriber(transactional, ordered_by(order_id), retry(keep_order, park_key))]
async fn enter(
    order: OrderPlaced,
    State(script): State<Arc<AtomicBool>>,
    mut tx: Tx<Sqlite>,
) -> Result<(), HandlerError> {
    let entered = sqlx::query("INSERT INTO entries (cents) VALUES ($1)").bind(order.cents).execute(&mut *tx).await;
    entered?;
    if order.cents == 1 && script.load(Ordering::Relaxed) {
        return Err(HandlerError::permanent("one is broken"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parked_key_keeps_the_order_of_what_is_committed() {
    let (pool, _guard) = migrated::<Sqlite>().await;
    execute(&pool, "CREATE TABLE entries (place integer PRIMARY KEY AUTOINCREMENT, cents bigint NOT NULL)").await;
    let (bus, is_broken) = (TestBus::new(), Arc::new(AtomicBool::new(true)));
    let app = App::new("shop", bus.bus()).state(Arc::clone(&is_broken)).outbox(pool.clone()).subscribe(enter);
    let app = app.start().await.unwrap();
    let order = |cents| OrderPlaced { order_id: "o-1".to_owned(), cents };
    let ids = [1, 2, 3].map(|cents| (cents, Uuid::new_v4()));
    for (cents, id) in ids {
        bus.publish(order(cents)).event_id(id).await.unwrap();
    }
    bus.idle().await;
    let entries = async || {
        sqlx::query_scalar::<_, i64>("SELECT cents FROM entries ORDER BY place").fetch_all(&pool).await.unwrap()
    };
    assert_eq!(
        entries().await,
        [] as [i64; 0],
        "nothing of what failed is committed, and nothing behind it is handled"
    );
    let letters = DeadLetters::of(&bus, "shop.enter");
    is_broken.store(false, Ordering::Relaxed);
    assert_eq!(letters.redrive(&Filter::default(), Mode::Apply).await.unwrap().done(), 3);
    bus.idle().await;
    assert_eq!(entries().await, [1, 2, 3]);
    assert_eq!(letters.keys().await.unwrap(), []);
    // The inbox knows them.
    for (cents, id) in ids {
        bus.publish(order(cents)).event_id(id).await.unwrap();
    }
    bus.publish(order(4)).await.unwrap();
    bus.idle().await;
    assert_eq!(entries().await, [1, 2, 3, 4]);
    app.shutdown().await.unwrap();
}
