use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "artifact.is_{action}")]
struct Artifact {
    action: String,
}

fn main() {}
