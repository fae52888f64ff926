use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.shipped")]
struct OrderShipped {}

#[derive(EventSet)]
enum Orders {
    Placed(OrderPlaced),
    Shipped(OrderShipped),
}

#[subscriber(foreign, format = "json")]
async fn nameless(_order: OrderPlaced) {}

#[subscriber(queue = "legacy.orders", foreign, pattern = "orders.#")]
async fn bound(_order: OrderPlaced) {}

#[subscriber(queue = "legacy.orders", foreign, format = "xml")]
async fn unknown(_order: OrderPlaced) {}

#[subscriber(queue = "legacy.orders", foreign, format = "json")]
async fn ambiguous(_order: Orders) {}

fn main() {}
