//! The events that the tests work with.
#![allow(dead_code, reason = "the registry reads them")]

use bloodbank::prelude::*;

/// A customer has placed an order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed", id(order_id))]
pub(crate) struct OrderPlaced {
    order_id: String,
    total_cents: u64,
    lines: Vec<Line>,
    note: Option<String>,
}

/// A line of an order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Line {
    sku: String,
    count: u32,
}

/// An order has left the house.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.shipped")]
pub(crate) struct OrderShipped {
    order_id: String,
}

/// A parcel was scanned somewhere.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "parcels.parcel.{action}")]
pub(crate) struct ParcelScanned {
    action: String,
    place: String,
}

/// Ships what was ordered.
#[subscriber]
async fn ship(order: OrderPlaced) -> OrderShipped {
    OrderShipped { order_id: order.order_id }
}

/// Orders again what was shipped, and so for ever.
#[subscriber]
async fn reorder(order: OrderShipped) -> OrderPlaced {
    OrderPlaced { order_id: order.order_id, total_cents: 1, lines: Vec::new(), note: None }
}

/// Listens to a domain that nobody declares.
#[derive(Debug, EventSet)]
pub(crate) enum Elsewhere {
    #[event_set(other)]
    Other(serde_json::Value),
}

/// Looks elsewhere.
#[subscriber(pattern = "elsewhere.#")]
async fn listen(Elsewhere::Other(event): Elsewhere) {
    drop(event);
}
