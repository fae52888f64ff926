//! What a bus records of what it publishes.
#![allow(clippy::unwrap_used, reason = "a failed test helper fails the test")]

use bloodbank_core::{
    Bus, ErrorKind, Event,
    correlation::METADATA_LIMIT,
    envelope::{Source, TriggerType},
    event::{Declaration, Location},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Noted {
    number: u32,
}

impl Event for Noted {
    const DECLARATION: Declaration = Declaration::new("notes.note.taken", "notes", "Noted", HERE);
}

const HERE: Location = Location {
    crate_name: env!("CARGO_PKG_NAME"),
    crate_version: env!("CARGO_PKG_VERSION"),
    module: module_path!(),
    file: file!(),
    line: line!(),
};

fn metadata(bytes: usize) -> Map<String, Value> {
    // {"k":"…"} is eight bytes around the text.
    Map::from_iter([("k".to_owned(), Value::from("x".repeat(bytes - 8)))])
}

#[tokio::test]
async fn metadata_over_the_limit_is_refused() {
    let bus = Bus::embedded();
    let tracker = bus.correlation().unwrap();
    let receipt = bus.publish(Noted { number: 1 }).metadata(metadata(METADATA_LIMIT)).await.unwrap();
    assert!(tracker.metadata(receipt.event_id).await.unwrap().unwrap().contains_key("k"));

    let event_id = uuid::Uuid::new_v4();
    let refused = bus.publish(Noted { number: 2 }).event_id(event_id).metadata(metadata(METADATA_LIMIT + 1)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::TooLarge);
    assert_eq!(tracker.entry(event_id).await.unwrap(), None, "it was not published");
}

#[tokio::test]
async fn the_program_is_that_of_the_source() {
    let bus = Bus::embedded();
    let tracker = bus.correlation().unwrap();
    let own = bus.publish(Noted { number: 1 }).await.unwrap();
    let entry = tracker.entry(own.event_id).await.unwrap().unwrap();
    assert_eq!(entry.app(), Some(&*bus.settings().service_name));
    assert_eq!(entry.event_type(), Some("notes.note.taken"));

    let other = bus.publish(Noted { number: 2 }).source(Source::new(TriggerType::Manual, "desk")).await.unwrap();
    assert_eq!(tracker.entry(other.event_id).await.unwrap().unwrap().app(), Some("desk"));
    let nobody = Source { app: None, ..Source::new(TriggerType::Manual, "") };
    let nobody = bus.publish(Noted { number: 3 }).source(nobody).await.unwrap();
    assert_eq!(tracker.entry(nobody.event_id).await.unwrap().unwrap().app(), None);
}
