use bloodbank::prelude::*;

#[derive(Serialize, JsonSchema, Event)]
#[event(routing_key = "orders.placed")]
struct OrderPlaced {}

fn main() {}
