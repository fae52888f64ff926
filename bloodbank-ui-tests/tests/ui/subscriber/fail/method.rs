use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

struct Log;

impl Log {
    #[subscriber]
    async fn log(&self, _event: OrderPlaced) {}
}

fn main() {}
