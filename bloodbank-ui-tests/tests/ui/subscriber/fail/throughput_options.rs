use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order: u32,
}

#[subscriber(batch(max = 100), ordered_by(order))]
async fn endless(_orders: Vec<OrderPlaced>) {}

#[subscriber(batch(max = 100, within = "1s"), prefetch = 10)]
async fn never_full(_orders: Vec<OrderPlaced>) {}

#[subscriber(rate = "50")]
async fn slow(_order: OrderPlaced) {}

#[subscriber(queue = "legacy.orders", foreign, max_priority = 9)]
async fn urgent(_order: OrderPlaced) {}

fn main() {}
