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
    /// Write the events as they are now into the lock file; a breaking change is refused
    Lock {
        /// The lock file
        #[arg(long, value_name = "FILE", default_value = LOCK_FILE)]
        file: PathBuf,
        /// Who must get along with whom
        #[arg(long, value_name = "MODE", default_value = "backward")]
        mode: Compatibility,
        /// Write it although a change breaks somebody, or although the old file cannot be read
        #[arg(long)]
        force: bool,
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

/// How to go on where a change breaks somebody.
const WAYS_ON: &str = "\
give a new field a default (`Option`, or `#[serde(default)]`), keep what others still read; or leave the event as it was and
declare the next version under a key of its own with `supersedes = …`, whose subscribers receive both";

const LOCK_FILE: &str = "events.lock.json";

impl Schema {
    pub(crate) fn run(self) -> Result {
        match self.action {
            Action::Export { folder } => export::run(&folder),
            Action::Lock { file, mode, force } => lock::run(&file, mode, force),
            Action::Check { file, mode, json } => check::run(&file, mode, json),
        }
    }
}
