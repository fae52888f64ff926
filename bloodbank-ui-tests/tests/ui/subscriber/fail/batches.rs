use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order: u32,
}

#[subscriber(batch(max = 100, within = "1s"))]
async fn one(_order: OrderPlaced) {}

#[subscriber]
async fn many(_orders: Vec<OrderPlaced>) {}

fn main() {}
