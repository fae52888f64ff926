//! `bb schema`.

mod check;
mod export;
mod lock;

use std::path::PathBuf;

use crate::{error::Result, schema::Compatibility};

/// Export the JSON Schemas, lock them in git, check the code against them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb schema export schemas
  bb schema lock
  bb schema check --mode full")]
pub(crate) struct Schema {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write the JSON Schema of every event into a folder
    Export {
        /// The folder; made where it is missing
        folder: PathBuf,
    },
    /// Write the events as they are now into the lock file
    Lock {
        /// The lock file
        #[arg(long, value_name = "FILE", default_value = LOCK_FILE)]
        file: PathBuf,
    },
    /// Compare the events with the lock file; a breaking change ends with exit code 1
    Check {
        /// The lock file
        #[arg(long, value_name = "FILE", default_value = LOCK_FILE)]
        file: PathBuf,
        /// Who must get along with whom
        #[arg(long, value_name = "MODE", default_value = "backward")]
        mode: Compatibility,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

const LOCK_FILE: &str = "events.lock.json";

impl Schema {
    pub(crate) fn run(self) -> Result {
        match self.action {
            Action::Export { folder } => export::run(&folder),
            Action::Lock { file } => lock::run(&file),
            Action::Check { file, mode, json } => check::run(&file, mode, json),
        }
    }
}
