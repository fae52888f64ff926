//! A program with two apps, each of which has queues of its own.
//!
//! ```sh
//! cargo run -p bb --example pair -- topology
//! ```
use std::process::ExitCode;

use bloodbank::prelude::*;

/// The bell was rung.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "house.bell.rung")]
struct BellRung {}

/// Goes to the door.
#[subscriber]
async fn answer(_: BellRung) {}

/// Barks.
#[subscriber]
async fn bark(_: BellRung) {}

fn main() -> ExitCode {
    bloodbank_cli::Program::new()
        .app(async |bus| Ok(App::new("host", bus).subscribe(answer)))
        .app(async |bus| Ok(App::new("dog", bus).subscribe(bark)))
        .run()
}
