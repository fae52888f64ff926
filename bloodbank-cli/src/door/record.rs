//! How a running gateway is found: it leaves its address beside the file of its bus.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bloodbank_core::Settings;
use serde::{Deserialize, Serialize};

/// What a gateway says about itself, for as long as it runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) url: String,
    pub(crate) process: u32,
    #[serde(skip)]
    path: PathBuf,
}

/// The file of the embedded bus where nothing is set: in the user's data directory.
pub(crate) fn default_file() -> Option<PathBuf> {
    Some(dirs::data_dir()?.join("bloodbank").join("bus.db"))
}

/// Beside the bus; `None` for RabbitMQ, which needs no gateway.
fn place(settings: &Settings) -> Option<PathBuf> {
    if settings.rabbit_url.is_some() {
        return None;
    }
    let mut place = settings.embedded_path.clone().or_else(default_file)?.into_os_string();
    place.push("-gateway");
    Some(place.into())
}

impl Record {
    /// Leaves it; it goes when this is dropped. Nobody but this user reads it.
    pub(crate) fn leave(settings: &Settings, url: String) -> io::Result<Option<Self>> {
        let Some(path) = place(settings) else { return Ok(None) };
        let record = Self { url, process: std::process::id(), path };
        if let Some(folder) = record.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        fs::write(&record.path, serde_json::to_vec(&record)?)?;
        Ok(Some(record))
    }

    /// The one of the gateway that has the bus of these settings, if it left one. It may be gone without having taken it
    /// along.
    pub(crate) fn find(settings: &Settings) -> Option<Self> {
        let path = place(settings)?;
        let mut record: Self = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        record.path = PathBuf::new();
        Some(record)
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let is_own = self.path != Path::new("") && self.process == std::process::id();
        if is_own {
            let _ = fs::remove_file(&self.path);
        }
    }
}
