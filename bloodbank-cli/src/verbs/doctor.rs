//! `bb doctor`.

use std::{
    collections::BTreeSet,
    future::Future,
    io::Write,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bloodbank_core::{
    Bus, Registry, Settings,
    correlation::CorrelationTracker,
    envelope::ENVELOPE_VERSION,
    transport::{Outgoing, Properties, Topology, topology::Queue, topology::QueueKind},
};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    bus,
    fault::{Done, Fault},
    output::{
        self,
        style::{BAD, GOOD, WARN, paint},
    },
};

/// Check what this program stands on: settings, bus, correlation, clock, versions
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  bb doctor
  RABBIT_URL=amqp://localhost bb doctor --json")]
pub(crate) struct Doctor {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warning,
    Broken,
}

/// What was looked at, and what to do about it.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    says: String,
}

fn finding(what: &'static str, state: State, says: impl Into<String>) -> Finding {
    Finding { what, state, says: says.into() }
}

/// No look takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Doctor {
    pub(crate) fn run(self) -> Done {
        bus::block_on(async {
            let findings = look().await;
            if self.json {
                output::json(&findings)?;
            } else {
                let mut out = output::out();
                for Finding { what, state, says } in &findings {
                    let mark = match state {
                        State::Ok => paint(GOOD, "ok     "),
                        State::Warning => paint(WARN, "warning"),
                        State::Broken => paint(BAD, "broken "),
                    };
                    writeln!(out, "{mark} {what:<12} {says}")?;
                }
            }
            let is_broken = findings.iter().any(|finding| finding.state == State::Broken);
            if is_broken { Err(Fault::found()) } else { Ok(()) }
        })
    }
}

async fn look() -> Vec<Finding> {
    let mut findings = vec![versions(), events(), clock()];
    let settings = match Settings::load() {
        Ok(settings) => settings,
        Err(error) => {
            findings.push(finding("settings", State::Broken, error.to_string().replace('\n', "; ")));
            return findings;
        }
    };
    findings.push(finding(
        "settings",
        State::Ok,
        format!(
            "service {}, environment {}, exchange {}",
            settings.service_name, settings.environment, settings.exchange_name
        ),
    ));
    let bus = in_time("bus", look_at_bus(settings.clone())).await;
    // A bus in a file has the correlation with it.
    if settings.redis_url.is_some() {
        findings.push(bus);
        findings.push(in_time("correlation", look_at_redis(settings)).await);
    } else {
        let (state, says) = match (&settings.rabbit_url, &settings.embedded_path) {
            (None, Some(path)) => (State::Ok, format!("kept in {}", path.display())),
            (None, None) => (State::Ok, "kept in memory, as the bus is".to_owned()),
            (Some(_), _) => (
                State::Warning,
                "kept in the memory of each process; set REDIS_URL, so that events can be traced across services"
                    .to_owned(),
            ),
        };
        findings.push(bus);
        findings.push(finding("correlation", state, says));
    }
    findings
}

async fn in_time(what: &'static str, look: impl Future<Output = Finding>) -> Finding {
    let late = || {
        finding(what, State::Broken, format!("no answer within {PATIENCE:?}; check that it is up and can be reached"))
    };
    tokio::time::timeout(PATIENCE, look).await.unwrap_or_else(|_| late())
}

fn versions() -> Finding {
    let crates: BTreeSet<_> = Registry::global()
        .events()
        .iter()
        .map(|event| format!("{} {}", event.location().crate_name, event.location().crate_version))
        .collect();
    let crates = crates.into_iter().collect::<Vec<_>>().join(", ");
    finding(
        "versions",
        State::Ok,
        format!("bloodbank {}, envelope {ENVELOPE_VERSION}; events of {crates}", env!("CARGO_PKG_VERSION")),
    )
}

fn events() -> Finding {
    let registry = Registry::global();
    let faults = registry.check().faults;
    match faults.first() {
        _ if registry.events().is_empty() => finding(
            "events",
            State::Warning,
            "none are linked into this program; name the crate that declares them: `use its_crate as _;`",
        ),
        None => finding("events", State::Ok, format!("{} linked, without contradiction", registry.events().len())),
        Some(fault) => finding("events", State::Broken, format!("{fault}; `check` shows all of them")),
    }
}

/// The only thing a clock can be asked without another one: whether it was ever set.
fn clock() -> Finding {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let says = chrono::DateTime::from_timestamp(i64::try_from(now.as_secs()).unwrap_or(0), 0).unwrap_or_default();
    if now.as_secs() < THIS_WAS_WRITTEN {
        return finding(
            "clock",
            State::Broken,
            format!("says {says}; set it, for example with `timedatectl set-ntp true`"),
        );
    }
    finding("clock", State::Ok, format!("says {says}"))
}

/// 2025-01-01.
const THIS_WAS_WRITTEN: u64 = 1_735_689_600;

async fn look_at_bus(settings: Settings) -> Finding {
    let is_in_memory = bus::is_in_memory(&settings);
    let start = Instant::now();
    let bus = match Bus::connect(settings).await {
        Ok(bus) => bus,
        Err(error) => return finding("bus", State::Broken, error.to_string()),
    };
    let connected = start.elapsed();
    let system = bus.transport().system();
    let there_and_back = there_and_back(&bus).await;
    bus.close().await;
    match there_and_back {
        Err(error) => {
            finding("bus", State::Broken, format!("{system} is there, but a message did not come back: {error:?}"))
        }
        Ok(_) if is_in_memory => finding(
            "bus",
            State::Warning,
            "works, but in memory: events end with each process; set RABBIT_URL, or BLOODBANK_EMBEDDED_PATH to a file",
        ),
        Ok(time) => finding(
            "bus",
            State::Ok,
            format!("{system}, connected in {connected:.0?}, a message there and back in {time:.1?}"),
        ),
    }
}

/// Through a queue of our own that nobody else sees.
async fn there_and_back(bus: &Bus) -> Result<Duration, Fault> {
    let queue: Arc<str> = format!("bloodbank.doctor.{}", Uuid::new_v4()).into();
    let topology =
        Topology { queues: vec![Queue::new(Arc::clone(&queue), QueueKind::Transient)], ..Topology::default() };
    bus.transport().declare(topology).await?;
    let mut deliveries = bus.transport().consume(Arc::clone(&queue), 1).await?;
    let start = Instant::now();
    let message = Outgoing {
        exchange: "".into(),
        routing_key: queue,
        properties: Properties::default(),
        body: Bytes::from_static(b"?"),
        mandatory: true,
    };
    bus.transport().publish(message).await?;
    let delivery = deliveries.next().await.ok_or_else(|| Fault::failed("the queue ended"))?;
    let time = start.elapsed();
    delivery.ack();
    Ok(time)
}

async fn look_at_redis(settings: Settings) -> Finding {
    let tracker = match CorrelationTracker::open(&settings).await {
        Ok(Some(tracker)) => tracker,
        Ok(None) => return finding("correlation", State::Warning, "switched off"),
        Err(error) => return finding("correlation", State::Broken, error.to_string()),
    };
    match tracker.parents(Uuid::new_v4()).await {
        Ok(_) => finding(
            "correlation",
            State::Ok,
            format!("Redis answers; links are kept {} days", settings.correlation_ttl.as_secs() / 86_400),
        ),
        Err(error) => finding(
            "correlation",
            State::Broken,
            format!(
                "{error}; check REDIS_URL and that Redis is up: events are published without it, but cannot be traced"
            ),
        ),
    }
}
