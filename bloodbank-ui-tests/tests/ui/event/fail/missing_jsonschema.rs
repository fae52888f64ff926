use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, Event)]
#[event(routing_key = "orders.placed")]
struct OrderPlaced {}

fn main() {}
