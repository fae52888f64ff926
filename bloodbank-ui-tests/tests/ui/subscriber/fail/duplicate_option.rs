use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[subscriber(concurrency = 8, concurrency = 9)]
async fn log(_event: OrderPlaced) {}

fn main() {}
