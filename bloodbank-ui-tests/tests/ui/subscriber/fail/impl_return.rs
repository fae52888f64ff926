use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[subscriber]
async fn log(_event: OrderPlaced) -> impl Sized {}

fn main() {}
