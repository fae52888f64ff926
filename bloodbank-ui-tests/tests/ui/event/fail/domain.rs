use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.placed", domain = "Agent/thread")]
struct OrderPlaced {}

fn main() {}
