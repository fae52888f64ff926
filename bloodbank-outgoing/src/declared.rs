//! The declarations of a file.

use bloodbank_core::{Error, ErrorKind, Result};
use serde::Deserialize;

use crate::entry::Entry;

/// The part of the file that is meant here; the rest are webhooks of other senders.
#[derive(Deserialize)]
struct Declared {
    #[serde(default)]
    outgoing: Vec<Entry>,
}

/// Reads the declarations of a text, and checks them.
pub(crate) fn read(text: &str) -> Result<Vec<Entry>> {
    let invalid = |message: String| Error::new(ErrorKind::Settings, message);
    let Declared { outgoing } = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
    for (place, entry) in outgoing.iter().enumerate() {
        entry.check().map_err(|fault| invalid(fault.to_string()))?;
        if outgoing[..place].iter().any(|other| other.name == entry.name) {
            return Err(invalid(format!("two outgoing webhooks have the name `{}`; rename one of them", entry.name)));
        }
    }
    Ok(outgoing)
}
