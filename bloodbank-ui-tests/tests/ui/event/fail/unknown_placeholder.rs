use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "artifact.{acton}")]
struct Artifact {
    action: String,
    kind: String,
    uri: String,
}

fn main() {}
