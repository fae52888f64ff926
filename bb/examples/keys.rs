//! A program whose subscriber parks keys.
//!
//! ```sh
//! cargo run -p bb --example keys -- dlq keys
//! ```
use std::process::ExitCode;

use bloodbank::prelude::*;

/// An amount was booked to an account.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "accounts.amount.booked")]
struct AmountBooked {
    account: String,
    cents: u32,
}

/// Enters the amounts of each account in their order; none of zero.
#[subscriber(ordered_by(account), retry(keep_order, park_key))]
async fn enter(booked: AmountBooked) -> Result<(), HandlerError> {
    if booked.cents == 0 {
        return Err(HandlerError::permanent("nothing was booked"));
    }
    Ok(())
}

fn main() -> ExitCode {
    bloodbank_cli::Program::new().app(async |bus| Ok(App::new(bus.service_name(), bus.clone()).subscribe(enter))).run()
}
