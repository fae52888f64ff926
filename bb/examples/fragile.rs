//! A program that panics while its terminal interface is open: the example of an event cannot be made.
//!
//! ```sh
//! cargo run -p bb --example fragile -- ui
//! ```
use std::process::ExitCode;

use bloodbank::prelude::*;

/// A cup stands on the table.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "kitchen.cup.set")]
struct CupSet {
    place: u32,
}

/// A cup was dropped.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "kitchen.cup.shattered", example = CupShattered { pieces: count(&[]) })]
struct CupShattered {
    pieces: u32,
}

fn count(pieces: &[u32]) -> u32 {
    *pieces.iter().max().expect("a cup has pieces")
}

fn main() -> ExitCode {
    bloodbank_cli::main()
}
