//! `bb completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{args::Args, fault::Done, output, program};

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
    pub(crate) fn run(self) -> Done {
        // Written at once: the generator panics when its reader is gone.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Args::command(), program::name(), &mut script);
        std::io::Write::write_all(&mut output::out(), &script)?;
        Ok(())
    }
}
