//! A program in which `check` finds something: keys that collide, a cycle, a pattern without events, nobody to execute.
//!
//! ```sh
//! cargo run -p bb --example muddle -- check
//! ```
use std::process::ExitCode;

use bloodbank::prelude::*;

/// A thing went somewhere.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "things.thing.{direction}")]
struct ThingWent {
    direction: String,
}

/// A thing came back.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "things.thing.returned")]
struct ThingReturned {}

/// The ball was hit to the right.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "game.ball.pinged")]
struct Pinged {}

/// The ball was hit to the left.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "game.ball.ponged")]
struct Ponged {}

/// Asks for the table to be cleaned.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "game.table.clean", command)]
struct CleanTable {}

#[subscriber]
async fn ping(_: Ponged) -> Pinged {
    Pinged {}
}

#[subscriber]
async fn pong(_: Pinged) -> Ponged {
    Ponged {}
}

/// Whatever happens in a domain of which no event is linked.
#[derive(Debug, EventSet)]
enum Elsewhere {
    #[event_set(other)]
    Other(serde_json::Value),
}

#[subscriber(pattern = "elsewhere.#")]
async fn listen(Elsewhere::Other(event): Elsewhere) {
    println!("{event}");
}

fn main() -> ExitCode {
    bloodbank_cli::Program::new()
        .app(async |bus| Ok(App::new("muddle", bus).subscribe(ping).subscribe(pong).subscribe(listen)))
        .run()
}
