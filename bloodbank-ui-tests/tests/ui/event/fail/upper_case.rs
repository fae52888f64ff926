use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.OrderPlaced")]
struct OrderPlaced {}

fn main() {}
