use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "fireflies.transcript.ready")]
struct Ready {}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "artifact.{action}")]
struct Artifact {
    action: String,
}

#[derive(EventSet)]
#[allow(dead_code)]
enum Both {
    Ready(Ready),
    Artifact(Artifact),
}

#[subscriber(pattern = "fireflies.#")]
async fn wide(_event: Ready) {}

#[subscriber(pattern = "fireflies.transcript.ready")]
async fn exact(_event: EventEnvelope<Ready>) -> Option<Artifact> {
    None
}

// Some of the artifacts.
#[subscriber(pattern = "artifact.created")]
async fn narrow(_event: Artifact) -> Result<(Ready, Vec<Ready>), Box<dyn std::error::Error + Send + Sync>> {
    Ok((Ready {}, vec![]))
}

#[subscriber(pattern = "#")]
async fn all(_event: Both, _publisher: Publisher, _context: Context) {}

fn main() {
    let _ = (wide, exact, narrow, all);
    assert_eq!(bloodbank::Registry::global().subscribers().len(), 4);
}
