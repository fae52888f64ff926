use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "Orders.placed", domian = "x", id(order), reply = OrderPlaced)]
struct OrderPlaced {
    order_id: String,
    total: f64,
}

fn main() {}
