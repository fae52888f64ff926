use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.placed", reply = OrderPlaced)]
struct OrderPlaced {}

fn main() {}
