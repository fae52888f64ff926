use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(external)]
struct OrderPlaced {}

fn main() {}
