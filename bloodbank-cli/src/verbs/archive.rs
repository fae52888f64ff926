//! `bb archive`.

use std::io::Write;

use bloodbank_archive::{ArchiveStatus, Archiver, SegmentLimits};
use bloodbank_client::is_in_memory;
use bloodbank_core::{Bus, Settings, app::StopSignals, store::Journal};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::history::Listing;
use crate::{
    error::{CliError, Result},
    output::{
        self,
        style::{DIM, GOOD, WARN, paint},
    },
    runtime,
};

/// Archive the journal of the bus in Parquet files at BLOODBANK_ARCHIVE, show how far the archive is, or read it
///
/// The address is a folder, or `s3://bucket/folder`, `gs://…`, `az://…` where this program is built with the client. `history` and
/// `replay` read the archive by themselves where the journal does not reach back.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  BLOODBANK_ARCHIVE=/srv/archive bb archive run
  bb archive run --once
  bb archive status
  bb archive read 'orders.#' --since 30d
  bb archive read --id 01890a5d-ac96-774b-bcce-b302099a8057 --json")]
pub(crate) struct Archive {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Archive what is published, in order, until Ctrl-C or SIGTERM
    Run {
        /// Archive what is there now, and end
        #[arg(long)]
        once: bool,
    },
    /// Show what the archive has, and how far it is behind
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show the events that are archived, oldest first; no bus is needed
    Read(Box<Listing>),
}

impl Archive {
    pub(crate) fn run(self) -> Result {
        runtime::block_on(async {
            let settings = Settings::load()?;
            match self.action {
                Action::Run { once } => run(settings, once).await,
                Action::Status { json } => status(settings, json).await,
                Action::Read(listing) => listing.of(&settings, &open(&settings)?).await,
            }
        })
    }
}

/// The archive of the settings.
fn open(settings: &Settings) -> Result<bloodbank_archive::Archive> {
    match &settings.archive {
        Some(address) => Ok(bloodbank_archive::Archive::open(address)?),
        None => Err(CliError::usage(
            "BLOODBANK_ARCHIVE is not set; set it to a folder, or to `s3://bucket/folder`, `gs://bucket/folder` or \
             `az://container/folder`",
        )),
    }
}

/// An archiver into the archive of the settings.
pub(super) fn archiver(settings: &Settings) -> Result<Archiver> {
    Ok(Archiver::new(open(settings)?).limits(SegmentLimits::from_env()?))
}

async fn run(settings: Settings, once: bool) -> Result {
    let archiver = archiver(&settings)?;
    let mut signals = StopSignals::listen()?;
    let bus = Bus::attach_or_connect(settings).await?;
    if once {
        let archived = archiver.run_once(&bus).await;
        bus.close().await;
        let archived = archived?;
        let (events, segments) = (archived.events, archived.segments);
        return Ok(writeln!(output::out(), "{events} events {} in {segments} segments", paint(GOOD, "archived"))?);
    }
    let stop = CancellationToken::new();
    if let Ok(source) = Archiver::source_of(&bus) {
        let archive = open(bus.settings())?;
        output::note(&format!("archiving {} in {}; Ctrl-C ends", source.describe(), archive.describe()));
    }
    let archiving = archiver.run(bus.clone(), stop.clone());
    let stopped = async {
        signals.next().await;
        stop.cancel();
    };
    let archived = tokio::select! {
        // It ends by itself only where it cannot begin.
        archived = archiving => archived,
        () = stopped => Ok(()),
    };
    bus.close().await;
    Ok(archived?)
}

async fn status(settings: Settings, as_json: bool) -> Result {
    let archive = open(&settings)?;
    let status = archive.status().await?;
    let tip = source_tip(settings).await?;
    let lag = status.lag(tip);
    if as_json {
        let (floor, newest) = status.range.unzip();
        let missing: Vec<_> = status.missing.iter().map(|(first, last)| json!([first, last])).collect();
        return Ok(output::json(&json!({
            "segments": status.segments, "floor": floor, "tip": newest, "source_tip": tip, "lag": lag, "bytes": status.bytes,
            "missing": missing,
        }))?);
    }
    Ok(show(&archive.describe(), &status, tip.map(|_| lag))?)
}

fn show(archive: &str, status: &ArchiveStatus, lag: Option<u64>) -> std::io::Result<()> {
    let mut out = output::out();
    let Some((floor, tip)) = status.range else {
        return writeln!(out, "{} in {archive}: `archive run` begins", paint(DIM, "nothing is archived"));
    };
    let (segments, bytes) = (status.segments, status.bytes);
    write!(out, "{archive} has the offsets {floor} to {tip} in {segments} segments, {bytes} bytes")?;
    match lag {
        Some(0) => writeln!(out, "; {}", paint(GOOD, "nothing is missing"))?,
        Some(lag) => writeln!(out, "; {} behind", paint(WARN, lag.to_string()))?,
        None => writeln!(out)?,
    }
    for (first, last) in &status.missing {
        writeln!(out, "{}: no segment has {first} to {last}", paint(WARN, "missing"))?;
    }
    Ok(())
}

/// The newest offset of the journal that is archived; `None` where there is none.
async fn source_tip(settings: Settings) -> Result<Option<u64>> {
    if is_in_memory(&settings) {
        return Ok(None);
    }
    let bus = Bus::attach_or_connect(settings).await?;
    let tip = match Archiver::source_of(&bus) {
        Ok(source) => source.tip().await,
        Err(_) => Ok(None),
    };
    bus.close().await;
    Ok(tip?)
}
