use bloodbank::prelude::*;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[subscriber(transactional)]
async fn charge(_: OrderPlaced) {}

fn main() {}
