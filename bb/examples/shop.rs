//! A team's own command line: every verb, for its own events.
//!
//! ```sh
//! cargo run -p bb --example shop -- list-events
//! ```
use std::process::ExitCode;

use bloodbank::{CommandManager, prelude::*};

/// A customer has placed an order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed", id(order_id), example = OrderPlaced { order_id: "o-1".into(), total_cents: 4200 })]
struct OrderPlaced {
    /// The number on the invoice.
    order_id: String,
    /// What it costs, in cents.
    total_cents: u64,
}

/// An order has left the house.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.shipped")]
struct OrderShipped {
    order_id: String,
    carrier: String,
}

/// An order cannot be shipped.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.failed", failure)]
struct OrderFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

/// Asks how many of an article are left.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "stock.article.count", command, reply = ArticleCounted)]
struct CountArticle {
    sku: String,
}

/// So many of an article are left.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "stock.article.counted")]
struct ArticleCounted {
    sku: String,
    left: u32,
}

/// An article cannot be counted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "stock.article.failed", failure)]
struct CountFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

/// Ships what was ordered.
#[subscriber]
async fn ship(order: OrderPlaced) -> Result<OrderShipped, OrderFailed> {
    if order.total_cents == 0 {
        let error_message = format!("order {} has no price", order.order_id);
        return Err(OrderFailed { error_message, is_retryable: false, retry_count: 0 });
    }
    Ok(OrderShipped { order_id: order.order_id, carrier: "post".into() })
}

#[command]
impl Command for CountArticle {
    type State = ();
    type Failure = CountFailed;

    async fn execute(&self, _: &CommandContext<()>, _: &mut EventCollector) -> Result<ArticleCounted, CountFailed> {
        Ok(ArticleCounted { sku: self.sku.clone(), left: 3 })
    }
}

fn main() -> ExitCode {
    bloodbank_cli::Program::new()
        .app(async |bus| {
            let app = App::new(bus.service_name(), bus.clone());
            Ok(app.subscribe(ship).commands(CommandManager::linked()))
        })
        .run()
}
