//! The file that keeps a replay, so that it can go on after a kill.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bloodbank_core::replay::ReplayRequest;
use etcetera::BaseStrategy;
use uuid::Uuid;

use crate::error::{ClientError, Result};

/// The file that keeps a replay with its progress: `bloodbank/replays/{id}.json` where this user keeps the state of programs.
#[derive(Debug, Clone)]
pub struct ReplayFile(PathBuf);

impl ReplayFile {
    /// The file of a replay.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] where this user has no home.
    pub fn of(id: Uuid) -> Result<Self> {
        let base = etcetera::choose_base_strategy()
            .map_err(|error| ClientError::Invalid(format!("a replay has no place to be kept: {error}; set HOME")))?;
        let state = base.state_dir().unwrap_or_else(|| base.data_dir());
        Ok(Self(state.join("bloodbank").join("replays").join(format!("{id}.json"))))
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Keeps a replay. The file is replaced in one step: a kill leaves the old one or the new one.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] where it cannot be written.
    pub fn write(&self, request: &ReplayRequest) -> Result<()> {
        let write = || -> io::Result<()> {
            if let Some(folder) = self.0.parent() {
                fs::create_dir_all(folder)?;
            }
            let beside = self.0.with_extension("json.new");
            fs::write(&beside, serde_json::to_vec(request)?)?;
            fs::rename(&beside, &self.0)
        };
        write().map_err(|error| self.failed("written", &error))
    }

    /// Reads a replay that was kept.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] where there is none, or it cannot be read.
    pub fn read(&self) -> Result<ReplayRequest> {
        let bytes = fs::read(&self.0).map_err(|error| self.failed("read", &error))?;
        serde_json::from_slice(&bytes).map_err(|error| self.failed("read", &error.into()))
    }

    /// Forgets a replay.
    pub fn remove(&self) {
        // One that stays can be resumed, and then has nothing to do.
        let _ = fs::remove_file(&self.0);
    }

    fn failed(&self, what: &str, error: &io::Error) -> ClientError {
        ClientError::Invalid(format!("the file of the replay, {}, cannot be {what}: {error}", self.0.display()))
    }
}
