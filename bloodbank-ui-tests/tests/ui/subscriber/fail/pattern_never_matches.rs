use bloodbank::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "fireflies.transcript.ready")]
struct TranscriptReady {}

#[subscriber(pattern = "fireflies.*")]
async fn ingest(_event: TranscriptReady) {}

fn main() {}
