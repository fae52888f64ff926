use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}
#[subscriber(transactional)]
async fn charge(_order: OrderPlaced) {}

fn main() {}
