//! An event as text.

use std::{fmt::Write as _, io::Write as _};

use bloodbank_core::envelope::RawEnvelope;
use serde_json::Value;

use crate::{
    error::Result,
    output::{
        self, escape_controls,
        style::{BAD, DIM, KEY, paint},
    },
};

/// The format of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// On one line.
    Line,
    /// The envelope, indented.
    Full,
    /// The envelope as JSON on one line.
    Json,
}

/// Prints an event in one piece: whoever reads sees whole lines.
pub(crate) fn print(body: &[u8], format: Format) -> Result {
    let text = self::format(body, format);
    let mut out = output::out();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// The event as text, with the line break. What a terminal would obey is written out.
fn format(body: &[u8], format: Format) -> String {
    let mut text = match format {
        Format::Line => line(body),
        Format::Full => full(body),
        Format::Json => json(body),
    };
    text.push('\n');
    text
}

fn line(body: &[u8]) -> String {
    let Ok(envelope) = RawEnvelope::read(body) else {
        return unreadable(body);
    };
    let mut text = paint(DIM, envelope.timestamp.format("%H:%M:%S%.3f"));
    let _ = write!(text, " {} {}", paint(KEY, escape_controls(&envelope.event_type)), envelope.event_id);
    if let Some(parent) = envelope.correlation_id() {
        let parent = parent.to_string();
        let _ = write!(text, " {}", paint(DIM, format!("← {}", parent.get(..8).unwrap_or(&parent))));
    }
    if let Some(app) = &envelope.source.app {
        let _ = write!(text, " {}", paint(DIM, escape_controls(app)));
    }
    // As it stands in the message, but on one line.
    let payload: Value = serde_json::from_str(envelope.payload.get()).unwrap_or_default();
    let _ = write!(text, " {}", escape_controls(&payload.to_string()));
    text
}

fn full(body: &[u8]) -> String {
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        return unreadable(body);
    };
    let head = paint(KEY, escape_controls(value["event_type"].as_str().unwrap_or_default()));
    format!("{head}\n{}", output::highlighted(&value).unwrap_or_default())
}

fn json(body: &[u8]) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => escape_controls(&value.to_string()).into_owned(),
        Err(_) => serde_json::json!({"unreadable": String::from_utf8_lossy(body)}).to_string(),
    }
}

fn unreadable(body: &[u8]) -> String {
    let beginning: String = String::from_utf8_lossy(body).chars().take(200).collect();
    format!("{} {}", paint(BAD, "no envelope:"), escape_controls(&beginning))
}
