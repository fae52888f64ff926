use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.placed", concrete = Vec<OrderPlaced>)]
struct OrderPlaced {}

fn main() {}
