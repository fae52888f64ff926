//! A subscriber for several events: an enum with a variant for each event, and one for all others.
//!
//! Run: `cargo run --example e04_wildcards`

use bloodbank::prelude::*;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.shipped")]
struct OrderShipped {
    order_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.invoice.sent")]
struct InvoiceSent {
    amount: u64,
}

#[derive(Debug, EventSet)]
enum OrderEvent {
    Placed(OrderPlaced),
    Shipped(OrderShipped),
    #[event_set(other)]
    Other(Value),
}

// `*` is exactly one word and `#` any number of them: `orders.*` would match neither of these keys, and does not compile.
#[subscriber(pattern = "orders.#")]
async fn audit(event: EventEnvelope<OrderEvent>, State(seen): State<UnboundedSender<String>>) {
    let line = match &event.payload {
        OrderEvent::Placed(placed) => format!("{} was placed", placed.order_id),
        OrderEvent::Shipped(shipped) => format!("{} was shipped", shipped.order_id),
        OrderEvent::Other(payload) => format!("{} says {payload}", event.event_type),
    };
    // The example ends when it has seen enough.
    let _ = seen.send(line);
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
    bloodbank::init_logging();
    let (seen, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let bus = Bus::from_env().await?;
    let app = App::new("audit", bus.clone()).state(seen).subscribe(audit).start().await?;

    bus.publish(OrderPlaced { order_id: "o-1".into() }).await?;
    bus.publish(OrderShipped { order_id: "o-1".into() }).await?;
    bus.publish(InvoiceSent { amount: 4200 }).await?;
    for _ in 0..3 {
        println!("{}", lines.recv().await.unwrap_or_default());
    }
    app.shutdown().await
}
