//! `bb trace`.

use std::io::Write;

use bloodbank_client::GatewayClient;
use bloodbank_core::{
    Bus, Settings,
    correlation::{self, CorrelationTracker, IdPrefix},
};
use clap::ValueEnum;

use crate::{
    error::{CliError, Result},
    output, runtime,
};

/// Draw everything around an event: what led to it, and what it led to
///
/// Read from where the settings keep correlation: Redis, or the file of the embedded bus.
#[derive(Debug, clap::Args)]
#[command(
    name = "trace",
    after_help = "\
Examples:
  bb trace 6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11
  bb trace 6f1c2a9e
  bb trace 6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11 --format mermaid"
)]
pub(crate) struct Trace {
    /// The id of any event of the chain, or its first digits
    id: IdPrefix,
    /// How it is drawn
    #[arg(long, value_name = "FORMAT", default_value = "tree")]
    format: Format,
    /// Load at most so many events
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For reading
    Tree,
    /// For Markdown
    Mermaid,
    /// For Graphviz
    Dot,
    /// For programs
    Json,
}

impl Format {
    /// As the gateway names it.
    fn name(self) -> &'static str {
        match self {
            Self::Tree => "text",
            Self::Mermaid => "mermaid",
            Self::Dot => "dot",
            Self::Json => "json",
        }
    }
}

impl Trace {
    pub(crate) fn run(self) -> Result {
        runtime::block_on(async {
            let settings = Settings::load()?;
            // A gateway has the file open; what it says about unknown events is enough.
            if settings.redis_url.is_none()
                && let Some(gateway) = GatewayClient::find(&settings).await?
            {
                let text = gateway.trace(&self.id.to_string(), self.format.name(), self.limit).await?;
                return Ok(writeln!(output::out(), "{}", text.trim_end())?);
            }
            let attached = Bus::attach(&settings).await?;
            let tracker = match attached.as_ref().and_then(Bus::correlation) {
                Some(tracker) => tracker.clone(),
                None => tracker(&settings).await?,
            };
            let id = tracker.resolve(&self.id).await?.one(&self.id).map_err(|said| {
                let days = settings.correlation_ttl.as_secs() / (24 * 60 * 60);
                CliError::failed(format!("{said}; links are kept {days} days, where the settings of correlation say"))
            })?;
            let trace = correlation::Trace::load_at_most(&tracker, id, self.limit).await?;
            let is_known =
                trace.events.len() > 1 || trace.events.first().is_some_and(|event| event.event_type.is_some());
            if !is_known {
                return Err(CliError::failed(format!(
                    "nothing is known about event {id}; check the id and the settings of correlation, links are kept {} days",
                    settings.correlation_ttl.as_secs() / (24 * 60 * 60)
                )));
            }
            let text = match self.format {
                Format::Tree => trace.to_text(),
                Format::Mermaid => trace.to_mermaid(),
                Format::Dot => trace.to_dot(),
                Format::Json => return Ok(output::json(&trace)?),
            };
            output::out().write_all(text.trim_end().as_bytes())?;
            Ok(writeln!(output::out())?)
        })
    }
}

async fn tracker(settings: &Settings) -> Result<CorrelationTracker> {
    let is_kept = settings.redis_url.is_some() || (settings.rabbit_url.is_none() && settings.embedded_path.is_some());
    if !is_kept {
        return Err(CliError::usage(
            "correlation is kept in the memory of each process; set REDIS_URL, or BLOODBANK_EMBEDDED_PATH for the embedded bus",
        ));
    }
    Ok(CorrelationTracker::open(settings).await?)
}
