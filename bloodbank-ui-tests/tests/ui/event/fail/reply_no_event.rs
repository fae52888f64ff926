use bloodbank::prelude::*;

struct Answer;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.place", command, reply = Answer)]
struct OrderPlaced {}

fn main() {}
