//! The events that a verb publishes and that a team's own program may not link.

use bloodbank_client::GatewayClient;
use bloodbank_core::{Registry, Settings};

use crate::{
    args::Via,
    error::{CliError, Result},
    program_name::program_name,
};

/// Checks at the start of a verb that the events it will publish are known: to this program, or to the gateway through which it
/// publishes.
pub(crate) async fn require(verb: &str, keys: &[&str], via: Via) -> Result {
    let registry = Registry::global();
    let missing: Vec<_> =
        keys.iter().filter(|key| registry.event(key).is_none()).map(|key| format!("`{key}`")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let through_gateway = match via {
        Via::Http => true,
        Via::Bus => false,
        Via::Auto => GatewayClient::find(&Settings::load()?).await?.is_some(),
    };
    if through_gateway {
        return Ok(());
    }
    let program = program_name();
    Err(CliError::usage(format!(
        "`{program} {verb}` publishes {}, which `{program}` does not link; add `bloodbank-domains` to its dependencies and `use bloodbank_domains as _;` to its `main.rs`",
        missing.join(", ")
    )))
}
