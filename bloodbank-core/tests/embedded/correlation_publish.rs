//! What a bus records of what it publishes.

use bloodbank_core::{
    Bus, ErrorKind, Event, Settings,
    correlation::{Direction, METADATA_LIMIT},
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
    assert_eq!(entry.app(), Some(bus.service_name()));
    assert_eq!(entry.event_type(), Some("notes.note.taken"));

    let other = bus.publish(Noted { number: 2 }).source(Source::new(TriggerType::Manual, "desk")).await.unwrap();
    assert_eq!(tracker.entry(other.event_id).await.unwrap().unwrap().app(), Some("desk"));
    let nobody = Source { app: None, ..Source::new(TriggerType::Manual, "") };
    let nobody = bus.publish(Noted { number: 3 }).source(nobody).await.unwrap();
    assert_eq!(tracker.entry(nobody.event_id).await.unwrap().unwrap().app(), None);
}

#[tokio::test]
async fn a_bus_in_a_file_knows_after_a_restart_what_caused_what() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus.db");
    let settings = || Settings::from_vars([("BLOODBANK_EMBEDDED_PATH", path.to_str().unwrap())]).unwrap();
    let bus = Bus::connect(settings()).await.unwrap();
    let cause = bus.publish(Noted { number: 1 }).await.unwrap();
    let effect = bus.publish(Noted { number: 2 }).caused_by(&cause).metadata(metadata(20)).await.unwrap();
    bus.close().await;

    let bus = Bus::connect(settings()).await.unwrap();
    let tracker = bus.correlation().unwrap();
    let chain = tracker.chain(effect.event_id, Direction::Ancestors, 100).await.unwrap();
    assert_eq!(chain.events, [cause.event_id, effect.event_id]);
    assert_eq!(tracker.children(cause.event_id).await.unwrap(), [effect.event_id]);
    let entry = tracker.entry(effect.event_id).await.unwrap().unwrap();
    assert_eq!((entry.event_type(), entry.created_at), (Some("notes.note.taken"), Some(effect.timestamp)));
    assert!(entry.metadata.contains_key("k"));
    tracker.link(effect.event_id, cause.event_id, "by hand").await.unwrap();
    assert_eq!(tracker.parents(cause.event_id).await.unwrap(), [effect.event_id]);
}
