use bloodbank::prelude::*;

#[derive(Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.placed")]
struct OrderPlaced {}

fn main() {}
