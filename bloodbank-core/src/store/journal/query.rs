//! Which entries of a journal to read.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::JournalEntry;
use crate::{envelope::RawEnvelope, routing::BindingPattern};

/// Which entries of a journal to read; by default all of them.
///
/// ```
/// # use bloodbank_core::{routing::BindingPattern, store::JournalQuery};
/// let orders = JournalQuery::all().pattern(BindingPattern::parse("orders.#")?).exchange("bloodbank.events.v1").source("shop");
/// # Ok::<(), bloodbank_core::routing::InvalidKey>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct JournalQuery {
    /// A pattern that event types match; `None`: all types.
    #[serde(with = "pattern_text", skip_serializing_if = "Option::is_none")]
    pub pattern: Option<BindingPattern>,
    /// Event types, one of which the entry has; empty: all types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// The exchange that messages went through; `None`: any, copies that wait for a retry and dead letters included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exchange: Option<String>,
    /// The program that published, as the source of the envelope or the property `app_id` names it; `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The earliest time of publishing; `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// The time before which messages were published; `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// The offset before which entries stand; `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// A direct parent of the event; `None`: any, or none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caused_by: Option<Uuid>,
    /// The id of the event; `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Uuid>,
    /// Text that the payload contains, in capital and small letters as it stands in the JSON; `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

impl JournalQuery {
    /// Selects every entry.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Selects only event types that this pattern matches.
    #[must_use]
    pub fn pattern(mut self, pattern: BindingPattern) -> Self {
        self.pattern = Some(pattern);
        self
    }

    /// Selects only these event types.
    #[must_use]
    pub fn types(mut self, types: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Selects only messages that went through this exchange.
    #[must_use]
    pub fn exchange(mut self, exchange: impl Into<String>) -> Self {
        self.exchange = Some(exchange.into());
        self
    }

    /// Selects only messages that this program published.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Selects only messages that were published at this time or later.
    #[must_use]
    pub fn since(mut self, since: DateTime<Utc>) -> Self {
        self.since = Some(since);
        self
    }

    /// Selects only messages that were published before this time.
    #[must_use]
    pub fn until(mut self, until: DateTime<Utc>) -> Self {
        self.until = Some(until);
        self
    }

    /// Selects only entries that stand before this offset.
    #[must_use]
    pub fn before(mut self, offset: u64) -> Self {
        self.before = Some(offset);
        self
    }

    /// Selects only events that this one caused directly.
    #[must_use]
    pub fn caused_by(mut self, event_id: Uuid) -> Self {
        self.caused_by = Some(event_id);
        self
    }

    /// Selects only messages with this event id.
    #[must_use]
    pub fn event_id(mut self, event_id: Uuid) -> Self {
        self.event_id = Some(event_id);
        self
    }

    /// Selects only events whose payload contains this text.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Whether an entry passes. An implementation of a journal that selects by an index may leave this to judge the rest.
    #[must_use]
    pub fn passes(&self, entry: &JournalEntry) -> bool {
        let message = &entry.message;
        let event_type = entry.event_type();
        self.since.is_none_or(|since| entry.published_at >= since)
            && self.until.is_none_or(|until| entry.published_at < until)
            && self.before.is_none_or(|before| entry.offset < before)
            && self.exchange.as_deref().is_none_or(|exchange| exchange == &*message.exchange)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(event_type))
            && (self.types.is_empty() || self.types.iter().any(|known| known == event_type))
            && self.event_id.is_none_or(|id| entry.event_id() == Some(id))
            && self.passes_body(entry)
    }

    /// Judges what only the body says. It is parsed where it contains what is looked for at all.
    fn passes_body(&self, entry: &JournalEntry) -> bool {
        let body = &*entry.message.body;
        if let Some(text) = &self.text
            && (!std::str::from_utf8(body).is_ok_and(|body| body.contains(text.as_str()))
                || RawEnvelope::read(body).is_ok_and(|envelope| !envelope.payload.get().contains(text.as_str())))
        {
            return false;
        }
        if let Some(cause) = self.caused_by
            && !RawEnvelope::read(body).is_ok_and(|envelope| envelope.correlation_ids.contains(&cause))
        {
            return false;
        }
        self.source.as_deref().is_none_or(|source| {
            entry.message.properties.app_id.as_deref() == Some(source)
                || RawEnvelope::read(body).is_ok_and(|envelope| envelope.source.app.as_deref() == Some(source))
        })
    }
}

/// A pattern as its text.
mod pattern_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    use crate::routing::BindingPattern;

    pub(super) fn serialize<S: Serializer>(pattern: &Option<BindingPattern>, serializer: S) -> Result<S::Ok, S::Error> {
        pattern.as_ref().map(BindingPattern::as_str).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<BindingPattern>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(BindingPattern::parse_wire).transpose().map_err(D::Error::custom)
    }
}
