//! `bb journal`.

use std::{io::Write, time::Duration};

use bloodbank_client::is_in_memory;
use bloodbank_core::{Bus, Settings, app::StopSignals};
use bloodbank_sql::{JournalTableStatus, JournalWriter};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    connect, database,
    error::Result,
    output::{
        self,
        style::{DIM, GOOD, WARN, paint},
    },
    runtime,
};

/// Copy the journal of the bus into the PostgreSQL of DATABASE_URL, or show how far the copy is
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb journal write
  bb journal write --once
  bb journal write --keep 90d
  bb journal partitions --days 30
  bb journal status
  BLOODBANK_JOURNAL=sql bb history --since 30d")]
pub(crate) struct Journal {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Copy what is published, in order, until Ctrl-C or SIGTERM; a second writer waits until the first one ends
    Write(Writing),
    /// Create the partitions of the next days, as the owner of the tables, for a writer that may not
    Partitions {
        /// The number of days after today
        #[arg(long, default_value_t = 30, value_name = "DAYS")]
        days: u16,
    },
    /// Show what the copy has, and how far it is behind
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Writing {
    /// Copy what is there now, and end
    #[arg(long)]
    once: bool,
    /// Drop the events of a day so long after its end, such as `90d`; by default they are kept
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    keep: Option<Duration>,
}

impl Journal {
    pub(crate) fn run(self) -> Result {
        runtime::block_on(async {
            match self.action {
                Action::Write(writing) => writing.run().await,
                Action::Partitions { days } => partitions(days).await,
                Action::Status { json } => status(json).await,
            }
        })
    }
}

impl Writing {
    async fn run(&self) -> Result {
        let pool = database::open()?;
        let mut writer = pool.journal_writer()?;
        if let Some(age) = self.keep {
            writer = writer.keep(age);
        }
        // Before the bus, which may take longer.
        pool.check_schema().await?;
        let mut signals = StopSignals::listen()?;
        let bus = connect::bus().await?;
        if self.once {
            let copied = writer.run_once(&bus).await;
            bus.close().await;
            return Ok(writeln!(output::out(), "{} events {}", copied?, paint(GOOD, "copied"))?);
        }
        let stop = CancellationToken::new();
        if let Ok(source) = JournalWriter::source_of(&bus) {
            output::note(&format!("copying {} into PostgreSQL; Ctrl-C ends", source.describe()));
        }
        let writing = writer.run(bus.clone(), stop.clone());
        let stopped = async {
            signals.next().await;
            stop.cancel();
        };
        let written = tokio::select! {
            // It ends by itself only where it cannot begin.
            written = writing => written,
            () = stopped => Ok(()),
        };
        bus.close().await;
        Ok(written?)
    }
}

async fn partitions(days: u16) -> Result {
    let created = database::open()?.journal_writer()?.create_partitions(days).await?;
    Ok(writeln!(output::out(), "{created} of {} days {}", u32::from(days) + 1, paint(GOOD, "got their partitions"))?)
}

async fn status(as_json: bool) -> Result {
    let pool = database::open()?;
    pool.check_schema().await?;
    let status = pool.journal_status().await?;
    let tip = source_tip().await?;
    let lag = status.lag(tip);
    if as_json {
        let (floor, newest) = status.range.unzip();
        let lost: Vec<_> = status.lost.iter().map(|(first, last)| json!([first, last])).collect();
        return Ok(output::json(&json!({
            "source": status.source, "floor": floor, "tip": newest, "next": status.next, "source_tip": tip,
            "lag": lag, "rows": status.rows, "partitions": status.partitions, "bytes": status.bytes, "lost": lost,
        }))?);
    }
    Ok(show(&status, tip.map(|_| lag))?)
}

fn show(status: &JournalTableStatus, lag: Option<u64>) -> std::io::Result<()> {
    let mut out = output::out();
    let JournalTableStatus { rows, partitions, bytes, .. } = status;
    match &status.source {
        Some(source) => write!(out, "{} of {source}", paint(GOOD, "a copy"))?,
        None => return writeln!(out, "{}: `journal write` begins a copy", paint(DIM, "nothing is copied")),
    }
    match status.range {
        Some((floor, tip)) => {
            write!(out, "; offsets {floor} to {tip}, about {rows} events, {bytes} bytes in {partitions} partitions")?
        }
        None => write!(out, "; it is empty")?,
    }
    match lag {
        Some(0) => writeln!(out, "; nothing is missing")?,
        Some(lag) => writeln!(out, "; {} behind", paint(WARN, lag.to_string()))?,
        None => writeln!(out)?,
    }
    for (first, last) in &status.lost {
        writeln!(out, "{}: {first} to {last} were removed before they were copied", paint(WARN, "lost"))?;
    }
    Ok(())
}

/// The newest offset of the journal that is copied; `None` where there is none, or nobody can be asked.
async fn source_tip() -> Result<Option<u64>> {
    let settings = Settings::load()?;
    if is_in_memory(&settings) {
        return Ok(None);
    }
    let bus = Bus::attach_or_connect(settings).await?;
    let tip = match JournalWriter::source_of(&bus) {
        Ok(source) => source.tip().await,
        Err(_) => Ok(None),
    };
    bus.close().await;
    Ok(tip?)
}
