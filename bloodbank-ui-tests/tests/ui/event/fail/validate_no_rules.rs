use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.placed", validate)]
struct OrderPlaced {}

fn main() {}
