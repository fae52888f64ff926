//! The source of an event: who published it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::agent::words;

/// The source of an event: who published it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The host of the publisher.
    pub host: String,
    /// The trigger of the event.
    #[serde(rename = "type")]
    pub trigger: TriggerType,
    /// The program that published the event.
    #[serde(default)]
    pub app: Option<String>,
    /// Any other metadata.
    #[serde(default)]
    pub meta: Option<Map<String, Value>>,
}

impl Source {
    /// A source on this host.
    #[must_use]
    pub fn new(trigger: TriggerType, app: impl Into<String>) -> Self {
        Self { host: this_host(), trigger, app: Some(app.into()), meta: None }
    }

    /// The source as JSON, as in an envelope.
    pub(crate) fn to_json(&self) -> String {
        match serde_json::to_string(self) {
            Ok(text) => text,
            Err(error) => unreachable!("texts and JSON are JSON: {error}"),
        }
    }
}

/// A source as it stands in envelopes, serialised once for all events that share it. Cheap to clone.
///
/// ```no_run
/// # use bloodbank_core::{Bus, Event, envelope::{Source, TriggerType, WrittenSource}};
/// # async fn example<E: Event>(bus: Bus, rows: Vec<E>) -> bloodbank_core::Result<()> {
/// let source = WrittenSource::from(Source::new(TriggerType::Scheduled, "importer"));
/// for row in rows {
///     bus.publish(row).source(source.clone()).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct WrittenSource(Arc<Written>);

#[derive(Debug)]
struct Written {
    json: String,
    app: Option<Arc<str>>,
}

impl WrittenSource {
    pub(crate) fn json(&self) -> &str {
        &self.0.json
    }

    pub(crate) fn app(&self) -> Option<&Arc<str>> {
        self.0.app.as_ref()
    }
}

impl From<Source> for WrittenSource {
    fn from(source: Source) -> Self {
        Self(Arc::new(Written { json: source.to_json(), app: source.app.map(Into::into) }))
    }
}

words! {
    /// The trigger of an event.
    pub enum TriggerType {
        /// A person.
        Manual = "manual",
        /// An AI agent.
        Agent = "agent",
        /// A clock.
        Scheduled = "scheduled",
        /// A change of a file.
        FileWatch = "file_watch",
        /// A hook or a webhook; also the trigger of events that services publish.
        Hook = "hook",
    }
}

/// The name of this machine, or `unknown`.
fn this_host() -> String {
    static HOST: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        std::env::var("HOSTNAME")
            .ok()
            .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "unknown".to_owned())
    });
    HOST.clone()
}
