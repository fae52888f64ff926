//! The events that the tests work with.

#![allow(dead_code, reason = "the registry reads them")]

use bloodbank::prelude::*;

/// A customer has placed an order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed", id(order_id), example = OrderPlaced::example())]
pub(crate) struct OrderPlaced {
    /// The number on the invoice.
    order_id: String,
    /// What it costs, in cents.
    total_cents: u64,
    lines: Vec<Line>,
    note: Option<String>,
    channel: Channel,
}

impl OrderPlaced {
    fn example() -> Self {
        let lines = vec![Line { sku: "A-1".into(), count: 2 }];
        Self { order_id: "o-1".into(), total_cents: 4200, lines, note: None, channel: Channel::Web }
    }
}

/// A line of an order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Line {
    /// The article.
    sku: String,
    count: u32,
}

/// Where an order comes from.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    Web,
    Shop,
}

/// An order has left the house.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.shipped")]
pub(crate) struct OrderShipped {
    order_id: String,
    carrier: String,
}

/// An order cannot be shipped.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.failed", failure)]
pub(crate) struct OrderFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

/// A parcel was scanned somewhere.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "parcels.parcel.{action}")]
pub(crate) struct ParcelScanned {
    action: String,
    place: String,
}

/// Asks how many of an article are left.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "stock.article.count", command, reply = ArticleCounted)]
pub(crate) struct CountArticle {
    sku: String,
}

/// So many of an article are left.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "stock.article.counted")]
pub(crate) struct ArticleCounted {
    sku: String,
    left: u32,
}

/// An article cannot be counted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "stock.article.failed", failure)]
pub(crate) struct CountFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

#[command]
impl Command for CountArticle {
    type State = ();
    type Failure = CountFailed;

    async fn execute(&self, _: &CommandContext<()>, _: &mut EventCollector) -> Result<ArticleCounted, CountFailed> {
        Ok(ArticleCounted { sku: self.sku.clone(), left: 3 })
    }
}
