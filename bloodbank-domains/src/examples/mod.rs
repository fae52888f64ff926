//! The declared examples of the events: what listings, documents and mocks show. They are always the same.
//!
//! No example names a cause: a mock would be recorded as the effect of an event that never was.

mod agent;
mod artifact;
mod fireflies;
mod github;
mod llm;

use chrono::{DateTime, Utc};

/// Text for a field that may be absent.
#[expect(clippy::unnecessary_wraps, reason = "the fields are options")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// The day of the examples, 2025-10-18 at noon, and so many minutes later.
fn noon_and(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_788_800 + 60 * minutes, 0).unwrap_or_default()
}
