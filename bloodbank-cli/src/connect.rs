//! From the settings to the bus, with what a verb says about it.

use std::sync::Once;

use bloodbank_client::{Connection, GatewayClient, is_in_memory};
use bloodbank_core::{Bus, Settings};

use crate::{
    args::Via,
    error::{CliError, Result},
    output,
};

/// What outlives a command.
pub(crate) const LASTING_BUS: &str =
    "start `serve`, or set RABBIT_URL, or BLOODBANK_EMBEDDED_PATH to the file of a bus";

/// Opens the bus of the settings; a note says where it is one in memory that ends with the command.
pub(crate) async fn open(via: Via) -> Result<Connection> {
    let settings = Settings::load()?;
    let is_in_memory = is_in_memory(&settings);
    let connection = Connection::open(settings, via.into()).await?;
    if is_in_memory && matches!(connection, Connection::Bus(_)) {
        note_in_memory();
    }
    Ok(connection)
}

/// Opens a bus that outlives this process; `None` when the settings name none.
pub(crate) async fn open_lasting(via: Via) -> Result<Option<Connection>> {
    let settings = Settings::load()?;
    if is_in_memory(&settings) && via == Via::Auto {
        return Ok(GatewayClient::find(&settings).await?.map(Connection::Gateway));
    }
    if is_in_memory(&settings) && via == Via::Bus {
        return Ok(None);
    }
    Ok(Some(Connection::open(settings, via.into()).await?))
}

/// Connects to the bus itself, for what no gateway can do in place of this process.
pub(crate) async fn bus() -> Result<Bus> {
    let settings = Settings::load()?;
    if let Some(gateway) = GatewayClient::find(&settings).await? {
        return Err(CliError::failed(format!(
            "the gateway at {} has this bus open, and runs the subscribers and commands of its program; stop it first",
            gateway.url()
        )));
    }
    if is_in_memory(&settings) {
        note_in_memory();
    }
    Ok(Bus::connect(settings).await?)
}

/// Once: some verbs open the bus again and again.
fn note_in_memory() {
    static SAID: Once = Once::new();
    SAID.call_once(|| output::note(&format!("this bus is in memory and ends with this command; {LASTING_BUS}")));
}
