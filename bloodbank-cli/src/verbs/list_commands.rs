//! `bb list-commands`.

use super::list_events::ListEvents;
use crate::error::Result;

/// List the commands that are linked into this program
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb list-commands
  bb list-commands --json")]
pub(crate) struct ListCommands {
    /// Only those of a domain
    #[arg(short, long, value_name = "DOMAIN")]
    domain: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl ListCommands {
    pub(crate) fn run(self) -> Result {
        ListEvents::commands(self.domain, self.json).run()
    }
}
