//! `bb archive` of a program that is built without it: it says how to get it.

use bloodbank_core::Settings;
use bloodbank_sql::AnyPool;

use crate::error::{CliError, Result};

/// Archive the journal of the bus in Parquet files (not built into this program)
///
/// It is the feature `archive` of `bb` and of `bloodbank-cli`: it makes the program larger.
#[derive(Debug, clap::Args)]
pub(crate) struct Archive {
    /// Whatever it would be asked to do
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

impl Archive {
    pub(crate) fn run(self) -> Result {
        let Self { arguments: _ } = self;
        Err(not_built_in())
    }
}

/// What `work --archive` would run.
pub(super) fn archiver(_: &Settings) -> Result<AnyPool> {
    Err(not_built_in())
}

fn not_built_in() -> CliError {
    CliError::usage(
        "the archive is not built into this program; install it with `cargo install --git https://github.com/delorenj/bloodbank bb \
         --features archive`, or add the feature `archive` of `bloodbank-cli` to the program of your own",
    )
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    #[test]
    fn whoever_asks_for_the_archive_is_told_how_to_get_it() {
        let command = Archive::augment_args(Command::new("archive"));
        for asked in [
            &["archive"][..],
            &["archive", "run", "--once"],
            &["archive", "read", "orders.#", "--since", "1h", "-n", "3"],
        ] {
            let matches = command.clone().try_get_matches_from(asked).unwrap();
            let error = Archive::from_arg_matches(&matches).unwrap().run().unwrap_err().to_string();
            assert!(error.contains("the archive is not built into this program"), "{error}");
            assert!(error.contains("bb --features archive`"), "{error}");
        }
        assert!(archiver(&Settings::default()).is_err());
    }
}
