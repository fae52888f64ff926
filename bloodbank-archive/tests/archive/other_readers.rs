//! DuckDB and pyarrow read what is archived.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use bloodbank::{
    message::{Incoming, Properties},
    store::JournalEntry,
};
use bloodbank_archive::SegmentLimits;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Folder, given::Given};

/// An event in an envelope, which the one before it led to.
fn event(number: u64) -> JournalEntry {
    let id = |number: u64| Uuid::from_u128(1_000 + u128::from(number));
    let published_at: DateTime<Utc> = "2026-11-29T12:00:00.123Z".parse().unwrap();
    let causes = match number {
        0 => json!([]),
        1 => json!([id(0)]),
        _ => json!([id(number - 1), id(0)]),
    };
    let envelope = json!({
        "event_id": id(number), "event_type": "ledger.entry.made", "timestamp": published_at, "version": "1.0.0",
        "source": { "host": "h", "type": "hook", "app": "ledger" }, "correlation_ids": causes,
        "payload": { "cents": number, "text": "Grüße, \"Ada\"\n" },
    });
    let properties = Properties::default().message_id(id(number)).event_type("ledger.entry.made").header("n", 7_i64);
    let properties = properties.correlation_id((number > 0).then(|| id(number - 1))).header("traceparent", "00-1");
    let message = Incoming {
        exchange: "events".into(),
        routing_key: "ledger.entry.made".into(),
        properties,
        body: envelope.to_string().into_bytes().into(),
    };
    // Over two midnights.
    JournalEntry::new(number, published_at + TimeDelta::minutes(i64::try_from(number).unwrap()), message)
}

/// The row of an entry as the page of the book describes it.
fn row(entry: &JournalEntry) -> Value {
    let envelope: Value = serde_json::from_slice(&entry.message.body).unwrap_or_default();
    let is_event = envelope.is_object();
    let body: String = entry.message.body.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({
        "offset": entry.offset, "event_id": entry.event_id(), "event_type": entry.event_type(),
        "exchange": &*entry.message.exchange, "routing_key": &*entry.message.routing_key,
        "source": envelope["source"]["app"], "correlation_id": entry.message.properties.correlation_id,
        "causes": if is_event { envelope["correlation_ids"].clone() } else { json!([]) },
        "content_type": "application/json",
        "headers": if is_event { json!({"n": 7, "traceparent": "00-1"}) } else { json!({}) },
        "payload": if is_event { envelope["payload"].clone() } else { Value::Null },
        "properties": serde_json::to_value(&entry.message.properties).unwrap(),
        "micros": entry.published_at.timestamp_micros(), "body": body,
        "date": entry.published_at.date_naive().to_string(),
    })
}

/// A row of a reader, with the columns that hold JSON as what they hold.
fn parsed(row: &Value) -> Value {
    let mut row = row.clone();
    for column in ["headers", "payload", "properties"] {
        if let Some(text) = row[column].as_str() {
            row[column] = serde_json::from_str(text).unwrap();
        }
    }
    row
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Python of the environment that `scripts/venv.sh` makes.
pub(crate) fn python() -> PathBuf {
    let root = root();
    let made = Command::new(root.join("scripts/venv.sh")).arg("archive").stderr(Stdio::inherit()).output().unwrap();
    assert!(made.status.success(), "scripts/venv.sh failed");
    let venv = String::from_utf8(made.stdout).unwrap();
    Path::new(venv.trim()).join("bin/python")
}

/// What the script next to this folder prints.
fn read_back(folder: &Path) -> Value {
    let script = root().join("bloodbank-archive/tests/read_back.py");
    let read = Command::new(python()).args([script.as_path(), folder]).stderr(Stdio::inherit()).output().unwrap();
    assert!(read.status.success(), "{} failed", script.display());
    serde_json::from_slice(&read.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn duckdb_and_pyarrow_read_what_was_published() {
    const EVENTS: u64 = 2_000;
    let (folder, source) = (Folder::new(), Given::default());
    let mut published: Vec<_> = (0..EVENTS).map(event).collect();
    // No envelope, and no text.
    let mut foreign = crate::given::entry(EVENTS);
    foreign.published_at = published[1_999].published_at;
    foreign.message.body = vec![0xff, 0, 0x27].into();
    published.push(foreign);
    source.push(published.clone());
    folder.archive(&source, SegmentLimits::default().events(300)).await.unwrap();
    let expected: Vec<_> = published.iter().map(row).collect();
    let read = read_back(folder.folder.path());
    for reader in ["duckdb", "pyarrow"] {
        let rows: Vec<_> = read[reader].as_array().unwrap().iter().map(parsed).collect();
        assert_eq!(rows.len(), expected.len(), "{reader}");
        for (row, expected) in rows.iter().zip(&expected) {
            assert_eq!(row, expected, "left: {reader}, right: what was published");
        }
    }
    assert_eq!(read["cents"], json!([EVENTS * (EVENTS - 1) / 2, 2]));
    assert_eq!(read["children"], json!([EVENTS - 1]));
}
