//! A program whose subscriber has partitions: three, or five in its next version, which `LINES_NEXT=1` makes it.
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

mod next {
    use super::*;

    /// Follows the lines of each order in their order, by more processes.
    #[subscriber(ordered_by(order_id), partitions = 5)]
    pub(super) async fn follow(line: LineChanged) {
        drop(line);
    }
}

fn main() -> ExitCode {
    let program = bloodbank_cli::Program::new().app(async |bus| {
        let app = App::new(bus.service_name(), bus.clone());
        Ok(match std::env::var_os("LINES_NEXT") {
            None => app.subscribe(follow),
            Some(_) => app.subscribe(next::follow),
        })
    });
    program.run()
}
