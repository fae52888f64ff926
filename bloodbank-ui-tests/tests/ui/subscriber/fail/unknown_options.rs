use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[subscriber(concurency = 8, retry(max_atempts = 3), on_failure = drop)]
async fn log(_event: OrderPlaced) {}

fn main() {}
