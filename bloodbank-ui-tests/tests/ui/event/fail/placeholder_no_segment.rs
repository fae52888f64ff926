use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "artifact.{size}")]
struct Artifact {
    size: f64,
}

fn main() {}
