//! Audit events: who did what with dead letters, on the bus for whoever wants to keep it.

use bloodbank_core::{
    Bus,
    dead_letter::Handle,
    envelope::{Source, TriggerType},
};
use serde_json::{Map, Value, json};
use tracing::{info, warn};
use uuid::Uuid;

/// The number of handles that an audit event names.
const MOST_HANDLES: usize = 1000;

/// What was done.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Verb {
    Redriven,
    Discarded,
    Edited,
}

impl Verb {
    /// The key of the event.
    fn key(self) -> &'static str {
        match self {
            Self::Redriven => "bloodbank.dead_letter.redriven",
            Self::Discarded => "bloodbank.dead_letter.discarded",
            Self::Edited => "bloodbank.dead_letter.edited",
        }
    }
}

/// The numbers of dead letters that were selected, that are done, and that stay.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    pub(crate) selected: usize,
    pub(crate) done: usize,
    pub(crate) failed: usize,
}

/// The source of what somebody publishes from the dashboard.
pub(crate) fn source(bus: &Bus, who: Option<&str>) -> Source {
    let mut meta = Map::from_iter([("via".to_owned(), Value::from("dashboard"))]);
    if let Some(who) = who {
        meta.insert("client".to_owned(), who.into());
    }
    Source { meta: Some(meta), ..Source::new(TriggerType::Manual, bus.service_name()) }
}

/// Publishes an audit event and writes a line to the log. What was done is done, also where the event cannot be published.
pub(crate) async fn record(bus: &Bus, verb: Verb, queue: &str, who: Option<&str>, handles: &[Handle], counts: Counts) {
    let Counts { selected, done, failed } = counts;
    info!(queue, who, selected, done, failed, "{}", verb.key());
    let causes = handles.iter().take(MOST_HANDLES).filter_map(Handle::event_id);
    let payload = json!({
        "queue": queue, "who": who, "selected": selected, "done": done, "failed": failed,
        "dead_letters": &handles[..handles.len().min(MOST_HANDLES)],
    });
    // One that names its event is part of the trace of it; a sweep of many would tie their traces together.
    let causes = if handles.len() == 1 { causes.collect() } else { Vec::new() };
    publish(bus, verb.key(), &payload, causes, queue, who).await;
}

async fn publish(bus: &Bus, key: &str, payload: &Value, causes: Vec<Uuid>, queue: &str, who: Option<&str>) {
    let publish = bus.publish_value(key, payload).allow_unregistered().source(source(bus, who)).causes(causes);
    if let Err(error) = publish.await {
        warn!(%error, queue, "an audit event could not be published");
    }
}
