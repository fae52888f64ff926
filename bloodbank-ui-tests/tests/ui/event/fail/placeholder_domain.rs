use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "{kind}.created")]
struct Artifact {
    kind: String,
}

fn main() {}
