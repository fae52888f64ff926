//! An event for the eye.

use std::fmt::Write;

use bloodbank_core::envelope::RawEnvelope;
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
pub(super) fn of(body: &[u8], style: Style) -> String {
    let mut text = match style {
        Style::Line => line(body),
        Style::Full => full(body),
        Style::Json => json(body),
    };
    text.push('\n');
    text
}

fn line(body: &[u8]) -> String {
    let Ok(envelope) = RawEnvelope::read(body) else {
        return unreadable(body);
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

fn full(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return unreadable(body);
    };
    let head = paint(KEY, printable(value["event_type"].as_str().unwrap_or_default()));
    format!("{head}\n{}", output::highlighted(&value).unwrap_or_default())
}

fn json(body: &[u8]) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => printable(&value.to_string()).into_owned(),
        Err(_) => serde_json::json!({"unreadable": String::from_utf8_lossy(body)}).to_string(),
    }
}

fn unreadable(body: &[u8]) -> String {
    let beginning: String = String::from_utf8_lossy(body).chars().take(200).collect();
    format!("{} {}", paint(BAD, "no envelope:"), printable(&beginning))
}
