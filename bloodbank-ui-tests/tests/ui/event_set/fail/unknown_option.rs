use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[derive(EventSet)]
enum Orders {
    Placed(OrderPlaced),
    #[event_set(othr)]
    Other(String),
}

fn main() {}
