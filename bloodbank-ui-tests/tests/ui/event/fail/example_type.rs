use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.placed", example = 5)]
struct OrderPlaced {}

fn main() {}
