//! Declarations of events, and the key, the id and the JSON Schema that come from them.
//!
//! Run: `cargo run --example e01_declare`

use bloodbank::{Registry, prelude::*};

/// A customer has placed an order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed", id(order_id))]
struct OrderPlaced {
    /// The number on the receipt.
    order_id: String,
    /// The price of the order, in cents.
    total_cents: u64,
}

/// An article was added to the stock, or sold out: the action is part of the routing key.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "stock.{action}", domain = "warehouse")]
struct Stock {
    action: StockAction,
    sku: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema, RoutingSegment)]
#[serde(rename_all = "snake_case")]
enum StockAction {
    Added,
    SoldOut,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::global();
    registry.check().into_result()?;
    for domain in registry.domains() {
        println!("{domain}");
        for event in registry.events_in(domain) {
            println!("  {:<22} {}", event.routing_key(), event.declaration().docs);
        }
    }

    let placed = OrderPlaced { order_id: "o-1".into(), total_cents: 4200 };
    println!("\nthe same order has the same id:   {}", placed.unique_key().unwrap_or_default());
    let sold_out = Stock { action: StockAction::SoldOut, sku: "tea".into() };
    println!("the key of this value:            {}", sold_out.routing_key()?);
    println!(
        "the JSON Schema of an order:      {}",
        serde_json::to_string_pretty(&registry.schema("orders.order.placed"))?
    );
    Ok(())
}
