//! `bb topology journal`.

use std::{io::Write, time::Duration};

use bloodbank_amqp::{JournalRetention, JournalStatus, JournalSwitch};
use bloodbank_core::Settings;
use serde_json::json;

use crate::{
    error::{CliError, Result},
    output::{
        self,
        style::{DIM, GOOD, WARN, paint},
    },
};

/// Keep every event on RabbitMQ in a stream, so that it can be read and replayed later
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  bb topology journal status
  bb topology journal enable --max-age 30d --max-bytes 50000000000
  bb topology journal disable --delete")]
pub(super) enum Journal {
    /// Make the stream, let running publishers notice it, and let every event go into it
    Enable {
        /// How long events are kept, such as `12h` or `30d`; otherwise as BLOODBANK_JOURNAL_MAX_AGE_DAYS says, or 7 days
        #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
        max_age: Option<Duration>,
        /// The bytes above which the oldest events go; otherwise BLOODBANK_JOURNAL_MAX_BYTES, or 10 GB
        #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(10_000_000..))]
        max_bytes: Option<u64>,
        /// Do not wait until running publishers have noticed: they may say of an event that somebody receives it
        #[arg(long)]
        now: bool,
    },
    /// Show whether events are kept, and what there is
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Let no more events into the stream; what it has can still be read with `history` once it is enabled again
    Disable {
        /// Delete the stream with all of its events
        #[arg(long)]
        delete: bool,
    },
}

impl Journal {
    pub(super) async fn run(self) -> Result {
        let settings = Settings::load()?;
        if settings.rabbit_url.is_none() {
            return Err(CliError::usage(
                "the embedded bus has its journal in its file, always; set RABBIT_URL for one on RabbitMQ",
            ));
        }
        let switch = JournalSwitch::connect(&settings).await?;
        let done = self.act(&switch, &settings).await;
        switch.close().await;
        done
    }

    async fn act(self, switch: &JournalSwitch, settings: &Settings) -> Result {
        match self {
            Self::Enable { max_age, max_bytes, now } => {
                let age = max_age.unwrap_or(settings.journal_age);
                let retention = JournalRetention::new(age, max_bytes.unwrap_or(settings.journal_bytes));
                let is_new = !switch.status().await?.is_enabled;
                let notice = if now { Duration::ZERO } else { JournalSwitch::NOTICE };
                if is_new && !now {
                    output::note(&format!(
                        "waiting {} until running publishers have noticed",
                        humantime::format_duration(notice)
                    ));
                }
                switch.enable(retention, notice).await?;
                let status = switch.status().await?;
                let bytes = retention.bytes;
                let age = humantime::format_duration(age);
                Ok(writeln!(
                    output::out(),
                    "{} {}: it keeps events for {age}, at most {bytes} bytes",
                    paint(GOOD, "enabled"),
                    status.stream
                )?)
            }
            Self::Status { json } => Ok(show(&switch.status().await?, json)?),
            Self::Disable { delete } => {
                let stream = switch.status().await?.stream;
                switch.disable(delete).await?;
                let what = if delete { "deleted" } else { "disabled" };
                Ok(writeln!(output::out(), "{} {stream}", paint(GOOD, what))?)
            }
        }
    }
}

fn show(status: &JournalStatus, as_json: bool) -> std::io::Result<()> {
    if as_json {
        let (floor, tip) = status.range.unzip();
        return output::json(&json!({
            "stream": status.stream, "enabled": status.is_enabled, "exists": status.exists, "floor": floor, "tip": tip,
        }));
    }
    let mut out = output::out();
    match status {
        JournalStatus { is_enabled: true, .. } => write!(out, "{} {}", paint(GOOD, "enabled"), status.stream)?,
        JournalStatus { exists: true, .. } => {
            write!(out, "{} {}: it exists, and no event goes into it", paint(WARN, "disabled"), status.stream)?;
        }
        _ => write!(out, "{}: `topology journal enable` switches it on", paint(DIM, "off"))?,
    }
    match status.range {
        Some((floor, tip)) => writeln!(out, "; offsets {floor} to {tip}"),
        None => writeln!(out),
    }
}
