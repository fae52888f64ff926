//! `bb doctor`.

mod clock;
mod cluster;
mod database;

use std::{
    collections::BTreeSet,
    future::Future,
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use bloodbank_client::{GatewayClient, is_in_memory};
use bloodbank_core::{
    Bus, Registry, Settings,
    correlation::CorrelationTracker,
    envelope::ENVELOPE_VERSION,
    message::Outgoing,
    settings::{CorrelationStoreKind, JournalKind, QueueKind},
    store::{JournalQuery, Position},
    transport::{Topology, topology::Queue},
};
use bloodbank_sql::JournalWriter;
use bytes::Bytes;
use chrono::Utc;
use futures_util::StreamExt;
use serde::Serialize;
use uuid::Uuid;

use self::clock::OtherClock;
use crate::{
    app::AppFactories,
    error::{CliError, Result},
    output::{
        self,
        style::{BAD, GOOD, WARN, paint},
    },
    runtime,
};

/// Check the environment of this program: versions, events, settings, bus, correlation and clock
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
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

impl Doctor {
    pub(crate) fn run(self, apps: AppFactories) -> Result {
        runtime::block_on(async {
            let findings = look(apps).await;
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
            if is_broken { Err(CliError::check_failed()) } else { Ok(()) }
        })
    }
}

async fn look(apps: AppFactories) -> Vec<Finding> {
    let mut findings = vec![versions(), events()];
    let settings = match Settings::load() {
        Ok(settings) => settings,
        Err(error) => {
            findings.push(clock::look(Utc::now(), &[]));
            findings.push(finding("settings", State::Broken, error.to_string().replace('\n', "; ")));
            return findings;
        }
    };
    findings.push(finding(
        "settings",
        State::Ok,
        format!(
            "service {}, environment {}, exchange {}",
            settings.service_name.as_deref().unwrap_or("named by its app"),
            settings.environment,
            settings.exchange_name
        ),
    ));
    findings.push(probe_app(apps).await);
    let mut clocks = Vec::new();
    let mut nodes = None;
    let mut add = |(found, clock): (Finding, Option<OtherClock>)| {
        findings.push(found);
        clocks.extend(clock);
    };
    match GatewayClient::find(&settings).await {
        Ok(Some(gateway)) => {
            add(in_time("bus", probe_gateway(&gateway)).await);
            // The file of the bus is the gateway's, and so is the correlation in it.
            if !has_own_store(&settings) {
                add((finding("correlation", State::Ok, format!("kept by the gateway at {}", gateway.url())), None));
            }
        }
        Ok(None) => {
            add(in_time("bus", probe_bus(settings.clone())).await);
            nodes = cluster::probe(&settings).await;
            if !has_own_store(&settings) {
                add((correlation(&settings), None));
            }
        }
        Err(error) => add((finding("bus", State::Broken, error.to_string()), None)),
    }
    if has_own_store(&settings) {
        add(in_time("correlation", probe_store(settings)).await);
    }
    findings.extend(nodes);
    findings.extend(database::probe().await);
    findings.push(clock::look(Utc::now(), &clocks));
    findings
}

/// Whether it can be made: its own settings are read then.
async fn probe_app(apps: AppFactories) -> Finding {
    match apps.topology().await {
        Ok(topology) => {
            let queues = topology.queues.iter().filter(|queue| queue.name.ends_with(".dlq")).count();
            let says = format!("{queues} queue{} of subscribers and commands", if queues == 1 { "" } else { "s" });
            finding("app", State::Ok, says)
        }
        Err(error) => finding("app", State::Broken, error.to_string().replace('\n', "; ")),
    }
}

/// Whether correlation is kept in a store of its own: in Redis or in a database.
fn has_own_store(settings: &Settings) -> bool {
    match settings.correlation_store {
        Some(CorrelationStoreKind::Memory) => false,
        Some(CorrelationStoreKind::Sql | CorrelationStoreKind::Redis) => true,
        Some(_) | None => settings.redis_url.is_some(),
    }
}

/// Without a store of its own it is where the bus is.
fn correlation(settings: &Settings) -> Finding {
    let (state, says) = match (&settings.rabbit_url, &settings.embedded_path) {
        (None, Some(path)) => (State::Ok, format!("kept in {}", path.display())),
        (None, None) => (State::Ok, "kept in memory, as the bus is".to_owned()),
        (Some(_), _) => (
            State::Warning,
            "kept in the memory of each process; set REDIS_URL, or BLOODBANK_CORRELATION_STORE=sql, so that events can be traced across services"
                .to_owned(),
        ),
    };
    finding("correlation", state, says)
}

/// The finding of a probe, and the clock that was seen on the way.
type Probe = (Finding, Option<OtherClock>);

async fn in_time(what: &'static str, probe: impl Future<Output = Probe>) -> Probe {
    let late = || {
        let says = format!("no answer within {PROBE_TIMEOUT:?}; check that it is up and can be reached");
        (finding(what, State::Broken, says), None)
    };
    tokio::time::timeout(PROBE_TIMEOUT, probe).await.unwrap_or_else(|_| late())
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

async fn probe_gateway(gateway: &GatewayClient) -> Probe {
    let (before, start) = (Utc::now(), Instant::now());
    match gateway.time().await {
        Ok(time) => {
            let says = format!("the gateway at {} has it, and answers in {:.1?}", gateway.url(), start.elapsed());
            let clock = time.map(|time| OtherClock::said("the gateway", before, time, Utc::now()));
            (finding("bus", State::Ok, says), clock)
        }
        Err(error) => (finding("bus", State::Broken, error.to_string()), None),
    }
}

async fn probe_bus(settings: Settings) -> Probe {
    let is_in_memory = is_in_memory(&settings);
    let is_rabbit = settings.rabbit_url.is_some();
    let start = Instant::now();
    let bus = match Bus::connect(settings).await {
        Ok(bus) => bus,
        Err(error) => return (finding("bus", State::Broken, error.to_string()), None),
    };
    let connected = start.elapsed();
    let system = bus.transport().system();
    let clock = if is_rabbit { Some(OtherClock::None("RabbitMQ")) } else { newest(&bus).await };
    let there_and_back = there_and_back(&bus).await;
    let (state, journal) = journal(&bus).await;
    bus.close().await;
    let found = match there_and_back {
        Err(error) => {
            finding("bus", State::Broken, format!("{system} is there, but a message did not come back: {error}"))
        }
        Ok(_) if is_in_memory => finding(
            "bus",
            State::Warning,
            "works, but in memory: events end with each process; set RABBIT_URL, or BLOODBANK_EMBEDDED_PATH to a file",
        ),
        Ok(time) => finding(
            "bus",
            state,
            format!("{system}, connected in {connected:.0?}, a message there and back in {time:.1?}; {journal}"),
        ),
    };
    (found, clock)
}

/// What is remembered of events that were handled.
async fn journal(bus: &Bus) -> (State, String) {
    let Some(journal) = bus.stores().journal else { return (State::Ok, "it keeps no journal".to_owned()) };
    let range = async { Ok::<_, bloodbank_core::Error>(journal.floor().await?.zip(journal.tip().await?)) };
    match range.await {
        Ok(Some((floor, tip))) => {
            let (state, lag) = lag(bus, tip).await;
            (state, format!("its journal has the offsets {floor} to {tip}{lag}"))
        }
        Ok(None) => (State::Ok, "its journal is empty".to_owned()),
        Err(error) => (State::Warning, error.to_string()),
    }
}

/// How far the copy in a database is behind, where that is the journal of the bus.
async fn lag(bus: &Bus, tip: u64) -> (State, String) {
    if bus.settings().journal != JournalKind::Sql {
        return (State::Ok, String::new());
    }
    let source = match JournalWriter::source_of(bus) {
        Ok(source) => source.tip().await,
        Err(error) => Err(error),
    };
    match source {
        Ok(newest) => match newest.unwrap_or(tip).saturating_sub(tip) {
            0 => (State::Ok, " in PostgreSQL, and nothing is missing".to_owned()),
            lag => (State::Warning, format!(" in PostgreSQL, {lag} behind the bus; `journal write` copies them")),
        },
        Err(error) => (State::Warning, format!(" in PostgreSQL; {error}")),
    }
}

/// When the newest event came that the embedded bus remembers.
async fn newest(bus: &Bus) -> Option<OtherClock> {
    let mut newest = bus.stores().journal?.read(JournalQuery::all(), Position::Last(1));
    Some(OtherClock::Past("the file of the bus", newest.next().await?.ok()?.published_at))
}

/// Through a queue of our own that nobody else sees.
async fn there_and_back(bus: &Bus) -> Result<Duration> {
    let queue: Arc<str> = format!("bloodbank.doctor.{}", Uuid::new_v4()).into();
    let topology = Topology::default().queues([Queue::new(Arc::clone(&queue), QueueKind::Transient)]);
    bus.transport().declare(topology).await?;
    let mut deliveries = bus.transport().consume(Arc::clone(&queue), 1).await?;
    let start = Instant::now();
    let message = Outgoing::new("", queue, Bytes::from_static(b"?")).mandatory();
    bus.transport().publish(message).await?;
    let delivery = deliveries.next().await.ok_or_else(|| CliError::failed("the queue ended"))?;
    let time = start.elapsed();
    delivery.ack();
    Ok(time)
}

async fn probe_store(settings: Settings) -> Probe {
    let (store, variable) = match settings.correlation_store {
        Some(CorrelationStoreKind::Sql) => ("the database", "DATABASE_URL"),
        _ => ("Redis", "REDIS_URL"),
    };
    let tracker = match CorrelationTracker::open(&settings).await {
        Ok(tracker) => tracker,
        Err(error) => return (finding("correlation", State::Broken, error.to_string()), None),
    };
    // The connection is made by the first question, which therefore is not the one about the time.
    let answered = tracker.parents(Uuid::new_v4()).await;
    let before = Utc::now();
    let time = if answered.is_ok() { tracker.store_time().await } else { Ok(None) };
    let after = Utc::now();
    match answered.and(time) {
        Ok(time) => {
            let days = settings.correlation_ttl.as_secs() / 86_400;
            let says = format!("{store} answers; links are kept {days} days");
            let clock = time.map(|time| OtherClock::said(store, before, time, after));
            (finding("correlation", State::Ok, says), clock)
        }
        Err(error) => (
            finding(
                "correlation",
                State::Broken,
                format!(
                    "{error}; check {variable} and that {store} is up: events are published without it, but cannot be traced"
                ),
            ),
            None,
        ),
    }
}
