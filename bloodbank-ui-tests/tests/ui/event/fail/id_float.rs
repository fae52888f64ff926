use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.placed", id(order_id, total))]
struct OrderPlaced {
    order_id: String,
    total: f64,
}

fn main() {}
