use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(rooting_key = "orders.placed")]
struct OrderPlaced {}

fn main() {}
