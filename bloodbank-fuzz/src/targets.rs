//! The fuzz targets.

mod envelope;
mod gateway;
mod gateway_client;
mod headers;
mod mcp;
mod patterns;
mod settings;

pub use envelope::Envelopes;
pub use gateway::GatewayRequests;
pub use headers::HeaderTables;
pub use mcp::McpMessages;
pub use patterns::Patterns;
pub use settings::SettingsVariables;

use crate::Target;

/// The names of all targets.
pub const NAMES: [&str; 6] = ["envelope", "headers", "patterns", "settings", "gateway", "mcp"];

/// The target of this name.
pub fn named(name: &str) -> Option<Box<dyn Target>> {
    Some(match name {
        "envelope" => Box::new(Envelopes),
        "headers" => Box::new(HeaderTables::default()),
        "patterns" => Box::new(Patterns),
        "settings" => Box::new(SettingsVariables::default()),
        "gateway" => Box::new(GatewayRequests::default()),
        "mcp" => Box::new(McpMessages::default()),
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
