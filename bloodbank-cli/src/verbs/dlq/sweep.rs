//! `bb dlq redrive` and `bb dlq discard`.

use std::io::Write;

use bloodbank_client::SweepAction;
use bloodbank_core::dead_letter::{DeadLetterDetail, Filter, Mode, SweepReport};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    args::{FilterArgs, QueueArgs},
    queues::{DeadLetterQueues, Listing, Looked},
};
use crate::{
    app::AppFactories,
    args::Via,
    error::{CliError, Result},
    output::{
        self, escape_controls,
        style::{BAD, GOOD, KEY, WARN, paint},
    },
};

/// The arguments of `redrive` and `discard`.
#[derive(Debug, clap::Args)]
pub(super) struct Sweep {
    #[command(flatten)]
    queues: QueueArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// All dead letters; required when no filter is given
    #[arg(long)]
    all: bool,
    /// Only print what would be done
    #[arg(long)]
    dry_run: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// The number of dead letters in one request: between two of them the progress bar moves, and their handles fit into an
/// address.
const STEP: usize = 128;

impl Sweep {
    pub(super) async fn run(&self, apps: AppFactories, action: SweepAction) -> Result {
        if self.filter.is_empty() && !self.all {
            return Err(CliError::usage("say which dead letters: with a filter such as --type or --id, or --all"));
        }
        // A wrong filter is refused before anything is opened.
        let filter = self.filter.filter()?;
        let queues = DeadLetterQueues::open(&self.queues, apps, self.filter.names_letters(), Via::Auto).await?;
        let reports = self.sweep(&queues, &filter, action).await;
        queues.close().await;
        self.print(&reports?, action)
    }

    async fn sweep(&self, queues: &DeadLetterQueues, filter: &Filter, action: SweepAction) -> Result<Vec<SweepReport>> {
        // What is there now is what is meant: a dead letter that comes back meanwhile is not swept twice.
        let Looked { listings, .. } = queues.list(filter, DeadLetterDetail::Summary).await?;
        let mut reports = Vec::new();
        for listing in listings.iter().filter(|listing| !listing.entries.is_empty()) {
            let (connection, queue) = (&queues.connection, &*listing.queue);
            if self.dry_run {
                reports.push(connection.sweep_dead_letters(queue, filter, action, Mode::DryRun).await?);
                continue;
            }
            let progress = progress(listing);
            for entries in listing.entries.chunks(STEP) {
                let handles = entries.iter().map(|entry| entry.handle).collect();
                let filter = Filter { handles, limit: Some(entries.len()), ..filter.clone() };
                let report = connection.sweep_dead_letters(queue, &filter, action, Mode::Apply).await?;
                let met = report.letters.len();
                let failed = report.letters.iter().filter(|letter| letter.error.is_some()).count();
                let is_over = met == 0 || failed > 0 || report.interrupted.is_some();
                progress.inc((met - failed) as u64);
                reports.push(report);
                if is_over {
                    break;
                }
            }
            progress.finish_and_clear();
        }
        Ok(reports)
    }

    fn print(&self, reports: &[SweepReport], action: SweepAction) -> Result {
        let letters = || reports.iter().flat_map(|report| &report.letters);
        let done = letters().filter(|letter| letter.error.is_none()).count();
        let failed: Vec<_> = letters().filter_map(|letter| Some((letter, letter.error.as_ref()?))).collect();
        let interrupted: Vec<_> = reports.iter().filter_map(|report| report.interrupted.as_ref()).collect();
        if self.json {
            let failures = failed
                .iter()
                .map(|(letter, error)| json!({"handle": letter.handle, "event_id": letter.event_id, "error": error}));
            output::json(&json!({
                "dry_run": self.dry_run,
                "done": done,
                "failed": failures.collect::<Vec<_>>(),
                "interrupted": interrupted,
            }))?;
        } else {
            let mut out = output::out();
            if self.dry_run {
                for letter in letters() {
                    let (event_type, handle) = (escape_controls(&letter.event_type), letter.handle);
                    writeln!(out, "{} {handle} {}", paint(KEY, event_type), letter.queue)?;
                }
            }
            let word = match (action, self.dry_run) {
                (SweepAction::Redrive, false) => paint(GOOD, "redriven"),
                (SweepAction::Discard, false) => paint(GOOD, "discarded"),
                (SweepAction::Redrive, true) => paint(WARN, "would be redriven"),
                (SweepAction::Discard, true) => paint(WARN, "would be discarded"),
            };
            writeln!(out, "{done} {word}")?;
            for (letter, error) in &failed {
                let (event_type, error) = (escape_controls(&letter.event_type), escape_controls(error));
                writeln!(out, "{} {event_type} {} in {}: {error}", paint(BAD, "stays"), letter.handle, letter.queue)?;
            }
        }
        match interrupted.first() {
            Some(error) => {
                Err(CliError::failed(format!("interrupted: {error}; the remaining dead letters are untouched")))
            }
            None if failed.is_empty() => Ok(()),
            None => Err(CliError::check_failed()),
        }
    }
}

/// A progress bar, which is drawn on a terminal only, and only where it takes long enough to be looked at.
fn progress(listing: &Listing) -> ProgressBar {
    let count = listing.entries.len();
    if count <= STEP {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(count as u64).with_message(listing.dead_letter_queue());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
