//! Recorded history: what the subscribers of today would have published then.

use std::{path::Path, sync::Arc};

use bloodbank::{
    ErrorKind, RunningApp,
    message::{Incoming, Properties},
    prelude::*,
    store::JournalEntry,
    testing::recorded::{Change, Difference, Differences, Recording, RecordingBus},
};
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "mill.grain.delivered")]
struct Delivered {
    sacks: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "mill.flour.milled")]
struct Milled {
    kilograms: u32,
    at: String,
}

/// It has an id of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "mill.flour.billed", id(sacks))]
struct Billed {
    sacks: u32,
    cents: u32,
}

/// What the code of today does.
#[derive(Clone, Copy)]
struct Mill {
    per_sack: u32,
    bills: bool,
}

/// As it was recorded.
const THEN: Mill = Mill { per_sack: 40, bills: true };

#[subscriber(retry(max_attempts = 2, backoff = "1s"))]
async fn mill(grain: Delivered, State(mill): State<Mill>, publisher: Publisher) -> Result<Milled, HandlerError> {
    if mill.per_sack == 0 {
        return Err(HandlerError::retry("the wheel stands still"));
    }
    if mill.bills {
        publisher.publish(Billed { sacks: grain.sacks, cents: 100 }).await?;
    }
    Ok(Milled { kilograms: grain.sacks * mill.per_sack, at: Uuid::new_v4().to_string() })
}

async fn app(bus: Bus, mill_of_today: Mill) -> bloodbank::Result<RunningApp> {
    App::new("mill", bus).state(mill_of_today).subscribe(mill).start().await
}

async fn compare(recording: &Recording, today: Mill, ignored: &[&str]) -> Differences {
    let bus = RecordingBus::new();
    let app = app(bus.bus(), today).await.unwrap();
    let found = bus.compare(recording, &app.health(), ignored).await.unwrap();
    app.shutdown().await.unwrap();
    found
}

fn entry(offset: u64, id: Uuid, key: &str, parent: Option<Uuid>, payload: &Value) -> JournalEntry {
    let envelope = json!({
        "event_id": id, "event_type": key, "timestamp": "2025-01-31T12:00:00Z", "version": "1.0.0",
        "source": { "host": "h", "type": "hook", "app": "mill" },
        "correlation_ids": parent.into_iter().collect::<Vec<_>>(), "payload": payload,
    });
    let properties = Properties::default().message_id(id).event_type(Arc::<str>::from(key));
    let message = Incoming {
        exchange: "bloodbank.events.v1".into(),
        routing_key: key.into(),
        properties,
        body: envelope.to_string().into(),
    };
    JournalEntry::new(offset, "2025-01-31T12:00:00Z".parse().unwrap(), message)
}

/// Two deliveries; what others made of the first is none of our business.
fn causes() -> Vec<JournalEntry> {
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let delivered =
        |offset, id, sacks: u32| entry(offset, id, "mill.grain.delivered", None, &json!({ "sacks": sacks }));
    let other = entry(2, Uuid::from_u128(3), "elsewhere.grain.counted", Some(one), &json!({}));
    vec![delivered(1, one, 5), other, delivered(3, two, 7)]
}

/// What the subscribers made of them then.
async fn recorded() -> Recording {
    let found = compare(&Recording::new(causes()), THEN, &[]).await;
    assert_eq!((found.handled, found.unchanged, found.differences.len()), (2, 0, 4), "{found}");
    assert!(found.differences.iter().all(|difference| matches!(difference.change, Change::New(_))), "{found}");
    found.accepted()
}

fn keys(recording: &Recording) -> Vec<&str> {
    recording.entries().iter().map(JournalEntry::event_type).collect()
}

#[tokio::test]
async fn what_is_as_it_was_is_no_difference_but_for_places_that_never_are_the_same() {
    let recording = recorded().await;
    let (grain, bill, flour) = ("mill.grain.delivered", "mill.flour.billed", "mill.flour.milled");
    assert_eq!(keys(&recording), [grain, bill, flour, "elsewhere.grain.counted", grain, bill, flour]);
    let found = compare(&recording, THEN, &["/at"]).await;
    assert!(found.is_empty() && found.unchanged == 4, "{found}");
    let found = compare(&recording, THEN, &[]).await;
    assert_eq!(found.differences.len(), 2, "{found}");
    assert!(found.to_string().contains("/at: "), "{found}");
}

#[tokio::test]
async fn a_changed_follow_up_is_shown_by_its_place_and_accepted() {
    let recording = recorded().await;
    let today = Mill { per_sack: 41, bills: false };
    let found = compare(&recording, today, &["/at"]).await;
    let text = found.to_string();
    assert!(text.contains("/kilograms: 200 → 205") && text.contains("/kilograms: 280 → 287"), "{text}");
    let missing = |difference: &&Difference| difference.change == Change::Missing;
    let missing: Vec<_> = found.differences.iter().filter(missing).map(|it| it.event_type.as_str()).collect();
    assert_eq!(missing, ["mill.flour.billed", "mill.flour.billed"], "{text}");
    assert!(text.ends_with("2 events handled, 0 follow-ups as recorded, 4 different"), "{text}");
    let accepted = found.accepted();
    assert!(compare(&accepted, today, &["/at"]).await.is_empty());
    assert!(!compare(&accepted, THEN, &["/at"]).await.is_empty());
}

#[tokio::test]
async fn an_event_that_is_given_up_today_is_a_difference_with_its_error() {
    let found = compare(&recorded().await, Mill { per_sack: 0, bills: true }, &["/at"]).await;
    let text = found.to_string();
    assert_eq!(text.matches("! given up: the wheel stands still").count(), 2, "{text}");
    assert!(text.contains("- mill.flour.milled"), "{text}");
}

#[tokio::test]
async fn a_recording_that_nobody_handles_is_an_error_and_so_is_one_that_cannot_be_read() {
    let bus = RecordingBus::new();
    let running = app(bus.bus(), THEN).await.unwrap();
    let other = Recording::new(causes().drain(1..2).collect());
    let error = bus.compare(&other, &running.health(), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    assert!(error.to_string().contains("no subscriber of the app subscribes"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("broken.ndjson");
    std::fs::write(&path, "\n{}\n").unwrap();
    let error = Recording::read(&path).unwrap_err().to_string();
    assert!(error.contains("broken.ndjson") && error.contains("line 2"), "{error}");
    assert!(Recording::read(Path::new("/none.ndjson")).unwrap_err().to_string().contains("/none.ndjson"));
}

#[tokio::test]
async fn a_recording_comes_back_from_its_file() {
    let recording = recorded().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mill.ndjson");
    recording.write(&path).unwrap();
    let read = Recording::read(&path).unwrap();
    assert_eq!(keys(&read), keys(&recording));
    assert!(compare(&read, THEN, &["/at"]).await.is_empty());
}

/// The attribute, on the bread of the example.
mod attribute {
    use super::*;

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(routing_key = "bakery.bread.ordered")]
    struct Ordered {
        loaves: u32,
    }

    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(routing_key = "bakery.bread.baked")]
    struct Baked {
        loaves: u32,
        minutes: u32,
    }

    #[derive(Clone)]
    struct MinutesPerLoaf(u32);

    #[subscriber]
    async fn bake(order: Ordered, State(MinutesPerLoaf(minutes)): State<MinutesPerLoaf>) -> Baked {
        Baked { loaves: order.loaves, minutes: order.loaves * minutes }
    }

    async fn bakery(bus: Bus, minutes: u32) -> bloodbank::Result<RunningApp> {
        App::new("bakery", bus).state(MinutesPerLoaf(minutes)).subscribe(bake).start().await
    }

    #[bloodbank::replay("examples/data/bakery.ndjson")]
    async fn bread_is_baked_as_ever(bus: Bus) -> bloodbank::Result<RunningApp> {
        bakery(bus, 20).await
    }

    #[bloodbank::replay("examples/data/bakery.ndjson")]
    #[should_panic(expected = "/minutes: 40 → 30")]
    async fn a_hotter_oven_is_caught(bus: Bus) -> bloodbank::Result<RunningApp> {
        bakery(bus, 15).await
    }

    #[bloodbank::replay("examples/data/bakery.ndjson", ignore("/minutes"))]
    async fn a_place_that_is_ignored_is_not(bus: Bus) -> bloodbank::Result<RunningApp> {
        bakery(bus, 15).await
    }
}
