//! `bb dlq redrive` and `bb dlq discard`.

use std::io::Write;

use bloodbank_core::dead_letter::Mode;
use bloodbank_gateway::SweepReport;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::{
    places::{Parked, Places},
    select::{Place, Select},
};
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

impl Action {
    /// As the gateway calls it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Redrive => "redrive",
            Self::Discard => "discard",
        }
    }
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
        // What is wrong with it is said before anything is opened.
        self.select.filter()?;
        let places = self.place.open(app).await?;
        let swept = self.sweep(&places, action).await;
        places.close().await;
        self.tell(&swept?, action)
    }

    async fn sweep(&self, places: &Places, action: Action) -> Result<Vec<SweepReport>, Fault> {
        // What is looked at now is what is meant: a letter that fails again meanwhile is not swept twice.
        let found = places.letters(&self.select, false).await?;
        let mut all = Vec::new();
        for parked in found.iter().filter(|parked| !parked.letters.is_empty()) {
            if self.dry_run {
                all.push(places.sweep(&parked.queue, &self.select, Mode::DryRun, action).await?);
                continue;
            }
            let progress = progress(parked);
            let mut left = parked.letters.len();
            while left > 0 {
                let select = self.select.at_most(left.min(STEP));
                let swept = places.sweep(&parked.queue, &select, Mode::Apply, action).await?;
                let met = swept.letters.len();
                let failed = swept.letters.iter().filter(|letter| letter.error.is_some()).count();
                let is_over = met == 0 || failed > 0 || swept.interrupted.is_some();
                progress.inc((met - failed) as u64);
                all.push(swept);
                left = left.saturating_sub(met);
                if is_over {
                    break;
                }
            }
            progress.finish_and_clear();
        }
        Ok(all)
    }

    fn tell(&self, all: &[SweepReport], action: Action) -> Done {
        let letters = || all.iter().flat_map(|swept| &swept.letters);
        let done = letters().filter(|letter| letter.error.is_none()).count();
        let failed: Vec<_> = letters().filter_map(|letter| Some((letter, letter.error.as_ref()?))).collect();
        let interrupted: Vec<_> = all.iter().filter_map(|swept| swept.interrupted.as_ref()).collect();
        if self.json {
            let faults = failed.iter().map(|(letter, error)| json!({"event_id": letter.event_id, "error": error}));
            output::json(&json!({
                "dry_run": self.dry_run,
                "done": done,
                "failed": faults.collect::<Vec<_>>(),
                "interrupted": interrupted,
            }))?;
        } else {
            let mut out = output::out();
            if self.dry_run {
                for letter in letters() {
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
                let id = letter.event_id.map(|id| id.to_string()).unwrap_or_default();
                let (event_type, error) = (printable(&letter.event_type), printable(error));
                writeln!(out, "{} {event_type} {id} in {}: {error}", paint(BAD, "stays"), letter.queue)?;
            }
        }
        match interrupted.first() {
            Some(error) => Err(Fault::failed(format!("it ended before the end: {error}; the rest is untouched"))),
            None if failed.is_empty() => Ok(()),
            None => Err(Fault::found()),
        }
    }
}

/// Drawn on a terminal only, and only where it takes long enough to be looked at.
fn progress(parked: &Parked) -> ProgressBar {
    let count = parked.letters.len();
    if count <= STEP {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(count as u64).with_message(parked.name());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
