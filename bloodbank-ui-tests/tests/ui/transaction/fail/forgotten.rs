use bloodbank::{prelude::*, sql::Tx};
use sqlx_postgres::Postgres;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[subscriber]
async fn charge(_: OrderPlaced, _tx: Tx<Postgres>) {}

fn main() {}
