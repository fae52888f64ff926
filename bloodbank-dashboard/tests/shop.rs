//! A shop whose orders sometimes fail.
#![allow(dead_code, reason = "fields are read from JSON by people alone")]

use bloodbank::prelude::*;

/// A postal address.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Address {
    /// The street with its number.
    street: String,
    /// The town.
    town: String,
    /// The country as two letters.
    #[schemars(length(equal = 2))]
    country: String,
}

/// A line of an order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Line {
    /// The number of the article.
    sku: String,
    /// How many of it.
    #[schemars(range(min = 1))]
    count: u32,
}

/// The speed of a delivery.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Speed {
    Standard,
    Express,
}

/// A customer has placed an order.
///
/// The order is paid for when it is charged; until then nothing is shipped.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "shop.order.placed")]
pub(crate) struct OrderPlaced {
    /// The number on the invoice.
    order_id: String,
    /// The price in cents.
    #[schemars(range(min = 1))]
    total_cents: u64,
    /// The articles.
    #[schemars(length(min = 1))]
    lines: Vec<Line>,
    /// Where the order goes.
    address: Address,
    /// How fast it goes there.
    speed: Speed,
    /// What the customer wishes.
    note: Option<String>,
}

/// An order is paid for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "shop.order.charged")]
pub(crate) struct OrderCharged {
    /// The number on the invoice.
    order_id: String,
}

/// An order has left the house.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "shop.order.shipped")]
pub(crate) struct OrderShipped {
    /// The number on the invoice.
    order_id: String,
    /// Who brings it.
    carrier: String,
}

/// An order cannot go on.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "shop.order.failed", failure)]
pub(crate) struct OrderFailed {
    /// Why.
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

/// An order that goes to this country.
pub(crate) fn order(order_id: &str, country: &str) -> OrderPlaced {
    let text = |text: &str| text.to_owned();
    OrderPlaced {
        order_id: text(order_id),
        total_cents: 4200,
        lines: vec![Line { sku: text("A-17"), count: 2 }],
        address: Address { street: text("Main Street 1"), town: text("Springfield"), country: text(country) },
        speed: Speed::Standard,
        note: None,
    }
}

/// Takes the money for an order.
#[subscriber]
pub(crate) async fn charge(order: OrderPlaced) -> Result<OrderCharged, HandlerError> {
    if order.address.country == "XX" {
        return Err(HandlerError::permanent(format!("order {} goes to no country that we know", order.order_id)));
    }
    Ok(OrderCharged { order_id: order.order_id })
}

/// Ships what is paid for.
#[subscriber]
pub(crate) async fn ship(order: OrderCharged) -> Result<OrderShipped, HandlerError> {
    Ok(OrderShipped { order_id: order.order_id, carrier: "post".into() })
}
