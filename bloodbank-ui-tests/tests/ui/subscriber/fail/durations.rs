use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[subscriber(timeout = "30", retry(backoff = "1m..1s", max_age = "1w"), dedupe(within = "0s"))]
async fn log(_event: OrderPlaced) {}

fn main() {}
