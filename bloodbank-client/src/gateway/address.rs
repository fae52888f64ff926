//! The file in which a running gateway leaves its address, beside the file of its bus.

use std::{fs, io, path::PathBuf};

use bloodbank_core::Settings;
use etcetera::base_strategy::{BaseStrategy, choose_base_strategy};
use serde::{Deserialize, Serialize};

/// The address of a gateway and its process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GatewayAddress {
    /// The URL of the gateway, without a slash at the end.
    pub url: String,
    /// The id of the process.
    pub process: u32,
}

impl GatewayAddress {
    /// The address that the gateway on the bus of these settings has left. A gateway that was killed leaves its address
    /// behind.
    #[must_use]
    pub fn find(settings: &Settings) -> Option<Self> {
        serde_json::from_slice(&fs::read(path(settings)?).ok()?).ok()
    }
}

/// The address file of the gateway in this process. Dropping it removes the file.
#[derive(Debug)]
#[must_use = "the file is removed when this is dropped"]
pub struct GatewayFile {
    path: PathBuf,
}

impl GatewayFile {
    /// Writes the address of the gateway in this process; `None` for RabbitMQ, which every process reaches by itself.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn write(settings: &Settings, url: &str) -> io::Result<Option<Self>> {
        let Some(path) = path(settings) else { return Ok(None) };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        let address = GatewayAddress { url: url.to_owned(), process: std::process::id() };
        fs::write(&path, serde_json::to_vec(&address)?)?;
        Ok(Some(Self { path }))
    }
}

impl Drop for GatewayFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The file of the embedded bus where no setting names one: in the user's data directory.
#[must_use]
pub fn default_bus_file() -> Option<PathBuf> {
    Some(choose_base_strategy().ok()?.data_dir().join("bloodbank").join("bus.db"))
}

fn path(settings: &Settings) -> Option<PathBuf> {
    if settings.rabbit_url.is_some() {
        return None;
    }
    let mut path = settings.embedded_path.clone().or_else(default_bus_file)?.into_os_string();
    path.push("-gateway");
    Some(path.into())
}
