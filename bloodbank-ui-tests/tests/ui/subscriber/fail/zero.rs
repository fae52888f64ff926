use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[subscriber(concurrency = 0, prefetch = 0, retry(max_attempts = 0))]
async fn log(_event: OrderPlaced) {}

fn main() {}
