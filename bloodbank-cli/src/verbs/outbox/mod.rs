//! `bb outbox`.

mod list;
mod relay;
mod show;

use std::io::Write;

use crate::{
    database,
    error::{CliError, Result},
    output::{
        self,
        style::{GOOD, paint},
    },
    runtime,
};

/// List, show, retry or discard the events that wait in the outbox of DATABASE_URL, or publish them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb outbox list
  bb outbox list --parked --json
  bb outbox show 17
  bb outbox retry 17 18
  bb outbox discard --all
  bb outbox relay
  bb outbox relay --once")]
pub(crate) struct Outbox {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List the events that wait, the oldest first
    List(list::List),
    /// Show one row: its error, and its event
    Show(show::Show),
    /// Try rows again at once: those that are parked, and those that wait
    Retry(Rows),
    /// Delete rows: their events are never published
    Discard(Rows),
    /// Publish the events that wait, until Ctrl-C or SIGTERM
    Relay(relay::Relay),
}

/// The rows that are meant.
#[derive(Debug, clap::Args)]
struct Rows {
    /// The numbers of the rows
    #[arg(value_name = "ROW")]
    rows: Vec<i64>,
    /// All rows that are parked
    #[arg(long, conflicts_with = "rows")]
    all: bool,
}

impl Outbox {
    pub(crate) fn run(self) -> Result {
        runtime::block_on(async {
            match self.action {
                Action::List(list) => list.run().await,
                Action::Show(show) => show.run().await,
                Action::Retry(rows) => rows.run("will be tried again", true).await,
                Action::Discard(rows) => rows.run("discarded", false).await,
                Action::Relay(relay) => relay.run().await,
            }
        })
    }
}

impl Rows {
    async fn run(&self, done: &str, retry: bool) -> Result {
        if self.rows.is_empty() && !self.all {
            return Err(CliError::usage(
                "say which rows: by their numbers, which `outbox list` shows, or --all that are parked",
            ));
        }
        let pool = database::open()?;
        let rows = if self.all {
            pool.list(true, u32::MAX).await?.iter().map(|row| row.id).collect()
        } else {
            self.rows.clone()
        };
        let count = match (rows.is_empty(), retry) {
            (true, _) => 0,
            (false, true) => pool.retry(&rows).await?,
            (false, false) => pool.discard(&rows).await?,
        };
        writeln!(output::out(), "{count} {}", paint(GOOD, done))?;
        if count < self.rows.len() as u64 {
            return Err(CliError::failed(
                "the others are not there any more, or a relay is publishing them; `outbox list` shows what is",
            ));
        }
        Ok(())
    }
}
