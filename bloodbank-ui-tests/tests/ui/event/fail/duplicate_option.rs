use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.placed", routing_key = "orders.shipped")]
struct OrderPlaced {}

fn main() {}
