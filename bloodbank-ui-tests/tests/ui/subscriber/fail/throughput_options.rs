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

#[subscriber(partitions = 8)]
async fn split_by_nothing(_order: OrderPlaced) {}

#[subscriber(ordered_by(order), partitions = 8, concurrency = 4)]
async fn twice_at_once(_order: OrderPlaced) {}

#[subscriber(concurrency = 4, retry(keep_order))]
async fn no_order(_order: OrderPlaced) {}

#[subscriber(batch(max = 10, within = "1s"), retry(keep_order))]
async fn no_order_within(_orders: Vec<OrderPlaced>) {}

fn main() {}
