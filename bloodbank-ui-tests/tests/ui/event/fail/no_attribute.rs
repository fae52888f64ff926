use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
struct OrderPlaced {}

fn main() {}
