//! `bb replay`.

use std::{io::Write, time::Duration};

use bloodbank_client::{Connection, ReplayFile, StartedReplay};
use bloodbank_core::{
    Settings,
    replay::{ReplayPlan, ReplayProgress, ReplayRequest, ReplayState},
};
use bloodbank_testing::recorded::{Recording, RecordingBus};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::interval;
use uuid::Uuid;

use super::{
    history::{self, Selection},
    record,
};
use crate::{
    app::AppFactories,
    args::Via,
    connect::{self, LASTING_BUS},
    error::{CliError, Result},
    output::{
        self,
        style::{GOOD, KEY, WARN, paint},
    },
    runtime,
};

/// Send events of the journal to the queue of one subscriber again
///
/// Nobody else receives them. They have the ids that they had; a subscriber with `dedupe` handles each once more. A replay goes up
/// to the newest event of now. How far it has come is kept in a file: after a kill, --resume goes on with it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb replay 'orders.#' --since 2h --to shop.ship --dry-run
  bb replay 'orders.#' --since 2h --to shop.ship --rate 200
  bb replay --id 01890a5d-ac96-774b-bcce-b302099a8057 --to shop.ship
  bb replay 'orders.#' --since 1d --diff
  bb replay --resume 7c0a6d5e-3a51-4c0e-9d8b-5a3d2a9f1e10")]
pub(crate) struct Replay {
    #[command(flatten)]
    selection: Selection,
    /// The queue of the subscriber; `queues` lists them
    #[arg(long, value_name = "QUEUE", required_unless_present_any = ["resume", "diff"])]
    to: Option<String>,
    /// Begin at this offset of the journal
    #[arg(long, value_name = "OFFSET")]
    from: Option<u64>,
    /// Everything that the journal has; required where nothing else selects
    #[arg(long, conflicts_with_all = ["since", "from"])]
    all: bool,
    /// The most events per second
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Only count what would be sent
    #[arg(long)]
    dry_run: bool,
    /// Send nothing: show what the subscribers of this program would publish today, compared with what was published then
    #[arg(long, conflicts_with_all = ["to", "rate", "dry_run"])]
    diff: bool,
    /// With --diff: a place of payloads that is not the same each time, as a JSON pointer such as /shipped_at or /lines/*/id; may be
    /// given several times
    #[arg(long, value_name = "POINTER", requires = "diff")]
    ignore: Vec<String>,
    /// Go on with this replay, which was interrupted
    #[arg(long, value_name = "REPLAY_ID", conflicts_with_all = ["to", "from", "all", "rate", "dry_run", "diff"])]
    resume: Option<Uuid>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// The way to the bus
    #[arg(long, value_enum, default_value_t)]
    via: Via,
}

/// The interval of looking how far it is, and of keeping it.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

impl Replay {
    pub(crate) fn run(self, apps: AppFactories) -> Result {
        runtime::block_on(async {
            let settings = Settings::load()?;
            if self.diff {
                return self.compare(&settings, apps).await;
            }
            let request = self.request(&settings)?;
            let connection = connect::open_lasting(self.via).await?;
            let connection = connection
                .ok_or_else(|| CliError::usage(format!("a bus in memory remembers nothing; {LASTING_BUS}")))?;
            let done = self.on(&connection, request).await;
            connection.close().await;
            done
        })
    }

    fn request(&self, settings: &Settings) -> Result<ReplayRequest> {
        if let Some(id) = self.resume {
            return Ok(ReplayFile::of(id)?.read()?);
        }
        let from = self.selection.begin(self.from, self.all)?;
        let query = self.selection.query(&settings.exchange_name)?;
        let queue = self.to.as_deref().unwrap_or_default();
        Ok(ReplayRequest::new(queue).query(query).from(from).rate(self.rate))
    }

    async fn on(&self, connection: &Connection, request: ReplayRequest) -> Result {
        let plan = connection.plan_replay(&request).await?;
        if self.dry_run {
            return self.show_plan(&request, &plan);
        }
        let started = connection.start_replay(&request).await?;
        let progress = follow(&started, request).await?;
        if self.json {
            output::json(&progress)?;
        }
        match progress.state {
            ReplayState::Done if self.json => Ok(()),
            ReplayState::Done => Ok(writeln!(
                output::out(),
                "{} events {} to {}, as replay {}",
                progress.sent,
                paint(GOOD, "replayed"),
                progress.queue,
                progress.id
            )?),
            _ => {
                let why = progress
                    .trouble
                    .map_or_else(|| "cancelled".to_owned(), |trouble| format!("interrupted: {trouble}"));
                let (sent, id) = (progress.sent, progress.id);
                Err(CliError::failed(format!("{why}; {sent} events were replayed, `replay --resume {id}` goes on")))
            }
        }
    }

    /// Gives the events to the subscribers of this program on a bus of their own, and shows what they publish otherwise than then.
    async fn compare(&self, settings: &Settings, apps: AppFactories) -> Result {
        let query = self.selection.query(&settings.exchange_name)?;
        let from = self.selection.begin(self.from, self.all)?;
        let connection = history::open(self.via).await?;
        let recorded = record::recorded(&*connection.journal()?, query, from).await;
        connection.close().await;
        let recording = Recording::new(recorded?.entries);
        let bus = RecordingBus::new();
        let apps = apps.build(&bus.bus()).await?.start().await?;
        let health = apps.probes().health();
        let health = health.ok_or_else(|| CliError::failed("this program has no app"))?;
        let ignored: Vec<&str> = self.ignore.iter().map(String::as_str).collect();
        let found = bus.compare(&recording, &health, &ignored).await;
        apps.shutdown().await?;
        let found = found?;
        if self.json {
            output::json(&found.differences)?;
        } else {
            let mut out = output::out();
            for line in found.to_string().lines() {
                writeln!(out, "{}", output::escape_controls(line))?;
            }
        }
        if found.is_empty() { Ok(()) } else { Err(CliError::check_failed()) }
    }

    fn show_plan(&self, request: &ReplayRequest, plan: &ReplayPlan) -> Result {
        if self.json {
            return Ok(output::json(plan)?);
        }
        let mut out = output::out();
        for (event_type, count) in &plan.types {
            writeln!(out, "{count:>8} {}", paint(KEY, output::escape_controls(event_type)))?;
        }
        Ok(writeln!(out, "{} events {} to {}", plan.events, paint(WARN, "would be replayed"), request.queue)?)
    }
}

/// Shows and keeps how far a replay has come, until its end; Ctrl-C cancels it.
async fn follow(started: &StartedReplay, mut request: ReplayRequest) -> Result<ReplayProgress> {
    let mut progress = started.progress().await?;
    let file = ReplayFile::of(progress.id)?;
    let bar = bar(&progress.queue);
    let mut looks = interval(LOOK_INTERVAL);
    while progress.state == ReplayState::Running {
        request.progress = Some(progress);
        file.write(&request)?;
        progress = tokio::select! {
            _ = looks.tick() => started.progress().await?,
            _ = tokio::signal::ctrl_c() => started.cancel().await?,
        };
        show(&bar, &progress);
    }
    bar.finish_and_clear();
    if progress.state == ReplayState::Done {
        file.remove();
    } else {
        request.progress = Some(progress.clone());
        file.write(&request)?;
    }
    Ok(progress)
}

/// The steps of the bar.
const STEPS: f64 = 1000.0;

/// A progress bar, which is drawn on a terminal only.
fn bar(queue: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {percent} % {msg} {eta}");
    let bar = ProgressBar::new(STEPS as u64).with_prefix(queue.to_owned());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a fraction from 0 to 1")]
fn show(bar: &ProgressBar, progress: &ReplayProgress) {
    bar.set_position((progress.fraction() * STEPS) as u64);
    bar.set_message(match &progress.trouble {
        Some(trouble) => format!("{} events; waits: {trouble}", progress.sent),
        None => format!("{} events", progress.sent),
    });
}
