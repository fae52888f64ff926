//! `bb dlq redrive` and `bb dlq discard`.

use std::io::Write;

use bloodbank_core::{
    DeadLetters,
    dead_letter::{Filter, Mode, Report},
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::select::{Place, Places, Select};
use crate::{
    fault::{Done, Fault},
    output::{
        self, printable,
        style::{BAD, GOOD, KEY, WARN, paint},
    },
    program::AppOf,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Redrive,
    Discard,
}

/// Which letters, and whether it is done.
#[derive(Debug, clap::Args)]
pub(super) struct Sweep {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    select: Select,
    /// All of them; needed where nothing else says which
    #[arg(long)]
    all: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// So many at once: between two of them the progress shows.
const STEP: usize = 256;

impl Sweep {
    pub(super) async fn run(&self, app: AppOf, action: Action) -> Done {
        if self.select.is_open() && !self.all {
            return Err(Fault::usage("say which dead letters: with a filter such as --type or --id, or --all"));
        }
        let filter = self.select.filter()?;
        let places = self.place.open(app).await?;
        let reports = self.sweep(&places, &filter, action).await;
        places.close().await;
        self.tell(&reports?, action)
    }

    async fn sweep(&self, places: &Places, filter: &Filter, action: Action) -> Result<Vec<Report>, Fault> {
        // What is looked at now is what is meant: a letter that fails again meanwhile is not swept twice.
        let found = places.letters(filter).await?;
        let mut reports = Vec::new();
        for (queue, letters) in found.iter().filter(|(_, letters)| !letters.is_empty()) {
            if self.dry_run {
                reports.push(step(queue, filter, Mode::DryRun, action).await?);
                continue;
            }
            let progress = progress(letters.len(), queue);
            let mut left = letters.len();
            while left > 0 {
                let filter = Filter { limit: Some(left.min(STEP)), ..filter.clone() };
                let report = step(queue, &filter, Mode::Apply, action).await?;
                let (done, met) = (report.done(), report.letters.len());
                let is_over = met == 0 || report.failed() > 0 || report.interrupted.is_some();
                progress.inc(done as u64);
                reports.push(report);
                left = left.saturating_sub(met);
                if is_over {
                    break;
                }
            }
            progress.finish_and_clear();
        }
        Ok(reports)
    }

    fn tell(&self, reports: &[Report], action: Action) -> Done {
        let settled = || reports.iter().flat_map(|report| &report.letters);
        let done = settled().filter(|settled| settled.result.is_ok()).count();
        let failed: Vec<_> = settled()
            .filter_map(|settled| settled.result.as_ref().err().map(|error| (&settled.letter, error)))
            .collect();
        let interrupted: Vec<_> = reports.iter().filter_map(|report| report.interrupted.as_ref()).collect();
        if self.json {
            let faults =
                failed.iter().map(|(letter, error)| json!({"event_id": letter.event_id, "error": error.to_string()}));
            output::json(&json!({
                "dry_run": self.dry_run,
                "done": done,
                "failed": faults.collect::<Vec<_>>(),
                "interrupted": interrupted.iter().map(ToString::to_string).collect::<Vec<_>>(),
            }))?;
        } else {
            let mut out = output::out();
            if self.dry_run {
                for settled in settled() {
                    let letter = &settled.letter;
                    let id = letter.event_id.map(|id| id.to_string()).unwrap_or_default();
                    writeln!(out, "{} {id} {}", paint(KEY, printable(&letter.event_type)), letter.queue)?;
                }
            }
            let word = match (action, self.dry_run) {
                (Action::Redrive, false) => paint(GOOD, "redriven"),
                (Action::Discard, false) => paint(GOOD, "discarded"),
                (Action::Redrive, true) => paint(WARN, "would be redriven"),
                (Action::Discard, true) => paint(WARN, "would be discarded"),
            };
            writeln!(out, "{done} {word}")?;
            for (letter, error) in &failed {
                writeln!(out, "{} {letter}: {error}", paint(BAD, "stays"))?;
            }
        }
        match interrupted.first() {
            Some(error) => Err(Fault::failed(format!("it ended before the end: {error}; the rest is untouched"))),
            None if failed.is_empty() => Ok(()),
            None => Err(Fault::found()),
        }
    }
}

async fn step(queue: &DeadLetters, filter: &Filter, mode: Mode, action: Action) -> Result<Report, Fault> {
    Ok(match action {
        Action::Redrive => queue.redrive(filter, mode).await?,
        Action::Discard => queue.discard(filter, mode).await?,
    })
}

/// Drawn on a terminal only, and only where it takes long enough to be looked at.
fn progress(count: usize, queue: &DeadLetters) -> ProgressBar {
    if count <= STEP {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(count as u64).with_message(queue.parked().to_string());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
