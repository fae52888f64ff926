//! Outbox: an order and its event are written in one transaction, and a transactional subscriber charges the order once
//! although its event comes three times.
//!
//! Run: `cargo run --example e13_outbox` on one SQLite file, or
//! `DATABASE_URL=postgres://… cargo run --example e13_outbox` on PostgreSQL.

use bloodbank::{
    BoxError,
    correlation::Trace,
    prelude::*,
    sql::{AppExt, BusExt, Schema, Tx},
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
    cents: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.charged")]
struct OrderCharged {
    order_id: String,
}

#[subscriber]
async fn thank(charged: OrderCharged, context: Context, State(thanked): State<UnboundedSender<uuid::Uuid>>) {
    println!("thank you for order {}", charged.order_id);
    let _ = thanked.send(context.event_id());
}

/// The same shop on two databases, because the example runs on both; a service has one, and needs no macro.
macro_rules! shop {
    ($module:ident, $database:ident) => {
        mod $module {
            use super::*;
            use sqlx::{Pool, $database};

            /// What the handler of `POST /orders` does: both rows are there, or neither.
            async fn place(bus: &Bus, pool: &Pool<$database>, order: OrderPlaced) -> Result<uuid::Uuid, BoxError> {
                let mut tx = pool.begin().await?;
                sqlx::query("INSERT INTO e13_orders (id, cents) VALUES ($1, $2)")
                    .bind(&order.order_id)
                    .bind(order.cents)
                    .execute(&mut *tx)
                    .await?;
                let receipt = bus.outbox(&mut tx).publish(order).await?;
                tx.commit().await?;
                Ok(receipt.event_id)
            }

            /// The mark of the event, the charge and `OrderCharged` are one commit.
            #[subscriber(transactional)]
            async fn charge(order: OrderPlaced, mut tx: Tx<$database>) -> Result<OrderCharged, HandlerError> {
                sqlx::query("INSERT INTO e13_charges (order_id, cents) VALUES ($1, $2)")
                    .bind(&order.order_id)
                    .bind(order.cents)
                    .execute(&mut *tx)
                    .await?;
                Ok(OrderCharged { order_id: order.order_id })
            }

            pub(super) async fn run(url: &str) -> Result<(), BoxError> {
                let pool = Pool::<$database>::connect(url).await?;
                Schema::migrate(&pool).await?;
                for table in [
                    "CREATE TABLE IF NOT EXISTS e13_orders (id text PRIMARY KEY, cents bigint NOT NULL)",
                    "CREATE TABLE IF NOT EXISTS e13_charges (order_id text NOT NULL, cents bigint NOT NULL)",
                ] {
                    sqlx::query(table).execute(&pool).await?;
                }
                let bus = Bus::from_env().await?;
                let (thanked, mut thanks) = unbounded_channel();
                let app = App::new("shop", bus.clone())
                    .state(thanked)
                    .outbox(pool.clone())
                    .subscribe(charge)
                    .subscribe(thank)
                    .start()
                    .await?;

                let order = OrderPlaced { order_id: format!("o-{}", uuid::Uuid::new_v4()), cents: 4200 };
                let placed = place(&bus, &pool, order.clone()).await?;
                // The same event twice more, as after a lost acknowledgement.
                for _ in 0..2 {
                    bus.publish(order.clone()).event_id(placed).await?;
                }
                let charged = thanks.recv().await.ok_or("nobody was thanked")?;
                app.shutdown().await?;

                let charges: Vec<(String, i64)> =
                    sqlx::query_as("SELECT order_id, cents FROM e13_charges WHERE order_id = $1")
                        .bind(&order.order_id)
                        .fetch_all(&pool)
                        .await?;
                println!("\n{:<40} {:>6}", "order", "cents");
                for (order_id, cents) in &charges {
                    println!("{order_id:<40} {cents:>6}");
                }
                println!("charged {} time", charges.len());
                if let Some(tracker) = bus.correlation() {
                    tracker.flush().await;
                    println!("\n{}", Trace::load(tracker, charged).await?.to_text());
                }
                bus.close().await;
                Ok(())
            }
        }
    };
}
shop!(on_sqlite, Sqlite);
shop!(on_postgres, Postgres);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    bloodbank::init_logging();
    match std::env::var("DATABASE_URL") {
        Ok(url) if url.starts_with("postgres") => on_postgres::run(&url).await,
        Ok(url) => on_sqlite::run(&url).await,
        Err(_) => on_sqlite::run("sqlite://e13_outbox.db?mode=rwc").await,
    }
}
