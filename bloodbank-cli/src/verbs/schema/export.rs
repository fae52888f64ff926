//! `bb schema export`.

use std::{fs, io::Write, path::Path};

use bloodbank_core::Registry;

use crate::{
    error::{CliError, Result},
    output,
};

pub(super) fn run(folder: &Path) -> Result {
    let failed = |path: &Path, error| CliError::failed(format!("{} cannot be written: {error}", path.display()));
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let events = Registry::global().events();
    for event in events {
        let path = folder.join(format!("{}.json", event.routing_key()));
        let mut text = serde_json::to_string_pretty(&event.schema())?;
        text.push('\n');
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    Ok(writeln!(output::out(), "{} schemas in {}", events.len(), folder.display())?)
}
