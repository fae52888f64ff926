//! Everything that reads what others wrote.

mod envelope;
mod gateway;
mod headers;
mod mcp;
mod patterns;
mod settings;
mod web;

pub use envelope::Envelopes;
pub use gateway::Requests;
pub use headers::HeaderTables;
pub use mcp::Calls;
pub use patterns::Patterns;
pub use settings::Variables;

use crate::Target;

/// All of them, by name.
pub const NAMES: [&str; 6] = ["envelope", "headers", "patterns", "settings", "gateway", "mcp"];

/// The target of this name.
pub fn named(name: &str) -> Option<Box<dyn Target>> {
    Some(match name {
        "envelope" => Box::new(Envelopes),
        "headers" => Box::new(HeaderTables::default()),
        "patterns" => Box::new(Patterns),
        "settings" => Box::new(Variables::default()),
        "gateway" => Box::new(Requests::default()),
        "mcp" => Box::new(Calls::default()),
        _ => return None,
    })
}

/// The envelopes that the Python side wrote, each as text.
fn golden() -> Vec<Vec<u8>> {
    let envelopes: Vec<serde_json::Value> =
        serde_json::from_str(include_str!("../../bloodbank-core/tests/embedded/wire/envelopes.json"))
            .expect("it is JSON");
    envelopes.iter().map(|envelope| envelope.to_string().into_bytes()).collect()
}
