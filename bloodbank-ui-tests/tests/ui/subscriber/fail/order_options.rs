use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order: u32,
}

#[subscriber(partitions = 8)]
async fn split_by_nothing(_order: OrderPlaced) {}

#[subscriber(ordered_by(order), partitions = 8, concurrency = 4)]
async fn twice_at_once(_order: OrderPlaced) {}

#[subscriber(concurrency = 4, retry(keep_order))]
async fn no_order(_order: OrderPlaced) {}

#[subscriber(batch(max = 10, within = "1s"), retry(keep_order))]
async fn no_order_within(_orders: Vec<OrderPlaced>) {}

fn main() {}
