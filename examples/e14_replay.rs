//! Recorded history as a test: a handler is changed, and what it would have done with last week's orders is shown.
//!
//! Run: `cargo run --example e14_replay --features testing` (in a test it is one attribute, `#[bloodbank::replay("…")]`)

use std::path::Path;

use bloodbank::{
    RunningApp,
    prelude::*,
    testing::recorded::{Recording, RecordingBus},
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "bakery.bread.ordered")]
struct BreadOrdered {
    loaves: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "bakery.bread.baked")]
struct BreadBaked {
    loaves: u32,
    minutes: u32,
}

/// The minutes that a loaf takes: the part of the handler that is changed.
#[derive(Clone)]
struct Oven {
    minutes_per_loaf: u32,
}

#[subscriber]
async fn bake(order: BreadOrdered, State(oven): State<Oven>) -> BreadBaked {
    BreadBaked { loaves: order.loaves, minutes: order.loaves * oven.minutes_per_loaf }
}

async fn bakery(bus: Bus, oven: Oven) -> bloodbank::Result<RunningApp> {
    App::new("bakery", bus).state(oven).subscribe(bake).start().await
}

/// What the handler does today with what was recorded then.
async fn compare(recording: &Recording, oven: Oven) -> bloodbank::Result<String> {
    let bus = RecordingBus::new();
    let app = bakery(bus.bus(), oven).await?;
    let differences = bus.compare(recording, &app.health(), &[]).await?;
    app.shutdown().await?;
    Ok(differences.to_string())
}

#[tokio::main]
async fn main() -> bloodbank::Result<()> {
    // Written by `bb record 'bakery.#'`.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/bakery.ndjson");
    let recording = Recording::read(&path)?;
    println!("as it was:\n{}\n", compare(&recording, Oven { minutes_per_loaf: 20 }).await?);
    println!("with a hotter oven:\n{}", compare(&recording, Oven { minutes_per_loaf: 15 }).await?);
    Ok(())
}
