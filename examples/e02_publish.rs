//! Publishing: one event, many events, and an event whose type is known only at run time.
//!
//! Run: `cargo run --example e02_publish`

use bloodbank::prelude::*;
use serde_json::json;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed", id(order_id))]
struct OrderPlaced {
    order_id: String,
    total_cents: u64,
}

fn order(number: u32) -> OrderPlaced {
    OrderPlaced { order_id: format!("o-{number}"), total_cents: 4200 }
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
    let bus = Bus::from_env().await?;

    // Resolves when the broker has confirmed the event.
    let receipt = bus.publish(order(1)).header("tenant", "acme").await?;
    println!("{} is on the bus; did nobody subscribe to it? {:?}", receipt.event_id, receipt.unrouted);

    // As many in flight as the window allows; the receipts come in the order of the events.
    let receipts = bus.publish_all((1..=1000).map(order)).await;
    println!("{} of 1000 confirmed", receipts.iter().filter(|receipt| receipt.is_ok()).count());

    // Nobody subscribes in this example: `mandatory` makes that an error.
    let error = bus.publish(order(2)).mandatory().await.expect_err("nobody subscribes");
    println!("{error}");

    // JSON from somewhere else is checked against the schema of its event first.
    bus.publish_value("orders.order.placed", &json!({"order_id": "o-3", "total_cents": 1})).await?;
    let error = bus.publish_value("orders.order.placed", &json!({"total_cents": -1})).await.expect_err("two faults");
    println!("{error}");
    let error = bus.publish_value("orders.order.place", &json!({})).await.expect_err("a typing mistake");
    println!("{error}");

    bus.close().await;
    Ok(())
}
