//! Follow-ups and failures: the events that a subscriber returns are published as children of the event that it handled.
//!
//! Run: `cargo run --example e06_follow_ups_and_failures`

use bloodbank::prelude::*;
use tokio::sync::mpsc::UnboundedSender;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
    total_cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.shipped")]
struct OrderShipped {
    order_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.invoice.sent")]
struct InvoiceSent {
    order_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.failed", failure)]
struct OrderFailed {
    order_id: String,
    error_message: String,
    error_code: Option<String>,
    is_retryable: bool,
    retry_count: u32,
}

/// Ships an order at once, and sends an invoice unless the order is free.
#[subscriber]
async fn ship(order: OrderPlaced) -> Result<(OrderShipped, Option<InvoiceSent>), OrderFailed> {
    let OrderPlaced { order_id, total_cents } = order;
    if order_id.is_empty() {
        return Err(OrderFailed {
            order_id,
            error_message: "the order has no number".into(),
            error_code: Some("NO_NUMBER".into()),
            is_retryable: false,
            retry_count: 0, // set by the runtime
        });
    }
    let invoice = (total_cents > 0).then(|| InvoiceSent { order_id: order_id.clone() });
    Ok((OrderShipped { order_id }, invoice))
}

#[derive(Debug, EventSet)]
enum Outcome {
    Shipped(OrderShipped),
    Invoiced(InvoiceSent),
    Failed(OrderFailed),
}

#[subscriber]
async fn report(outcome: Outcome, State(lines): State<UnboundedSender<String>>) {
    let line = match outcome {
        Outcome::Shipped(shipped) => format!("{} is on its way", shipped.order_id),
        Outcome::Invoiced(invoice) => format!("the invoice of {} was sent", invoice.order_id),
        Outcome::Failed(failed) => format!("failed: {} ({:?})", failed.error_message, failed.error_code),
    };
    let _ = lines.send(line);
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
    bloodbank::init_logging();
    let (lines, mut results) = tokio::sync::mpsc::unbounded_channel();
    let bus = Bus::from_env().await?;
    let app = App::new("shipping", bus.clone()).state(lines).subscribe(ship).subscribe(report).start().await?;

    bus.publish(OrderPlaced { order_id: "o-1".into(), total_cents: 4200 }).await?;
    bus.publish(OrderPlaced { order_id: String::new(), total_cents: 1 }).await?;
    for _ in 0..3 {
        println!("{}", results.recv().await.unwrap_or_default());
    }
    app.shutdown().await
}
