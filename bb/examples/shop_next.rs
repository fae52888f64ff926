//! The next version of `shop`, which breaks what relies on the first: `schema check` says where.
//!
//! ```sh
//! cargo run -p bb --example shop -- schema lock
//! cargo run -p bb --example shop_next -- schema check --mode full
//! ```
#![allow(dead_code, reason = "nothing is done with the events but comparing them")]

use std::process::ExitCode;

use bloodbank::prelude::*;

/// A customer has placed an order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed", id(order_id))]
struct OrderPlaced {
    order_id: String,
    total_cents: u32,
    currency: Currency,
    note: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Currency {
    Eur,
    Usd,
}

/// An order has left the house, with whom it is said.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.parcel.shipped", supersedes = OrderShipped)]
struct ParcelShipped {
    order_id: String,
    carrier: String,
    parcels: u32,
}

/// The event as it was, for its subscribers.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.shipped")]
struct OrderShipped {
    order_id: String,
    carrier: Option<String>,
}

impl From<OrderShipped> for ParcelShipped {
    fn from(old: OrderShipped) -> Self {
        Self { order_id: old.order_id, carrier: old.carrier.unwrap_or_default(), parcels: 1 }
    }
}

/// So many of an article are left.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "stock.article.counted")]
struct ArticleCounted {
    sku: String,
    left: u64,
}

fn main() -> ExitCode {
    bloodbank_cli::main()
}
