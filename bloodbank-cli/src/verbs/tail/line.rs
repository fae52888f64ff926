//! An event for the eye.

use std::fmt::Write;

use bloodbank_core::{envelope::RawEnvelope, transport::Incoming};
use serde_json::Value;

use crate::output::{
    self, printable,
    style::{BAD, DIM, KEY, paint},
};

/// How an event is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// On one line.
    Line,
    /// The envelope, indented.
    Full,
    /// The envelope as JSON on one line.
    Json,
}

/// The event as text, with the line break. What a terminal would obey is written out.
pub(super) fn of(message: &Incoming, style: Style) -> String {
    let mut text = match style {
        Style::Line => line(message),
        Style::Full => full(message),
        Style::Json => json(message),
    };
    text.push('\n');
    text
}

fn line(message: &Incoming) -> String {
    let Ok(envelope) = serde_json::from_slice::<RawEnvelope<'_>>(&message.body) else {
        return unreadable(message);
    };
    let mut text = paint(DIM, envelope.timestamp.format("%H:%M:%S%.3f"));
    let _ = write!(text, " {} {}", paint(KEY, printable(&envelope.event_type)), envelope.event_id);
    if let Some(parent) = envelope.correlation_id() {
        let parent = parent.to_string();
        let _ = write!(text, " {}", paint(DIM, format!("← {}", parent.get(..8).unwrap_or(&parent))));
    }
    if let Some(app) = &envelope.source.app {
        let _ = write!(text, " {}", paint(DIM, printable(app)));
    }
    // As it stands in the message, but on one line.
    let payload: Value = serde_json::from_str(envelope.payload.get()).unwrap_or_default();
    let _ = write!(text, " {}", printable(&payload.to_string()));
    text
}

fn full(message: &Incoming) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(&message.body) else {
        return unreadable(message);
    };
    let head = paint(KEY, printable(&message.routing_key));
    format!("{head}\n{}", output::highlighted(&value).unwrap_or_default())
}

fn json(message: &Incoming) -> String {
    match serde_json::from_slice::<Value>(&message.body) {
        Ok(value) => printable(&value.to_string()).into_owned(),
        Err(_) => serde_json::json!({"routing_key": &*message.routing_key, "unreadable": &*String::from_utf8_lossy(&message.body)}).to_string(),
    }
}

fn unreadable(message: &Incoming) -> String {
    let body = String::from_utf8_lossy(&message.body);
    let beginning: String = body.chars().take(200).collect();
    format!("{} {} {}", paint(KEY, printable(&message.routing_key)), paint(BAD, "no envelope:"), printable(&beginning))
}
