//! A program whose subscriber has partitions.
//!
//! ```sh
//! cargo run -p bb --example lines -- topology partitions
//! ```
use std::process::ExitCode;

use bloodbank::prelude::*;

/// A line of an order has changed.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.line.changed")]
struct LineChanged {
    order_id: String,
    number: u32,
}

/// Follows the lines of each order in their order.
#[subscriber(ordered_by(order_id), partitions = 3)]
async fn follow(line: LineChanged) {
    drop(line);
}

fn main() -> ExitCode {
    bloodbank_cli::Program::new().app(async |bus| Ok(App::new(bus.service_name(), bus.clone()).subscribe(follow))).run()
}
