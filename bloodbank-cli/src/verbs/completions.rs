//! `bb completions`.

use std::io::Write;

use clap_complete::Shell;

use crate::{error::Result, output, program_name::program_name};

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb completions bash > ~/.local/share/bash-completion/completions/bb
  bb completions fish > ~/.config/fish/completions/bb.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, mut command: clap::Command) -> Result {
        // Written at once: the generator panics when its reader is gone.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, program_name(), &mut script);
        Ok(output::out().write_all(&script)?)
    }
}
