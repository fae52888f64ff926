use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.placed")]
struct OrderPlaced {
    order_id: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.{what}")]
struct OrderAgain {
    what: String,
}

#[derive(EventSet)]
enum Orders {
    Placed(OrderPlaced),
    Again(OrderAgain),
}

fn main() {}
