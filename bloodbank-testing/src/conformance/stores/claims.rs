//! Properties of a [`ClaimStore`].

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use uuid::Uuid;

use super::{StoreFixture, open, reopen};
use bloodbank_core::store::{ClaimStore, Lookup};

type Fixture = dyn StoreFixture<dyn ClaimStore>;

/// A life that does not end while a property runs.
const LONG: Duration = Duration::from_secs(600);
/// More than any payload here.
const LIMIT: usize = 16 * 1024 * 1024;

/// A payload is what was put, byte by byte, also when it is empty; removed, it is gone, and removing it again is no harm.
pub async fn keeps_a_payload_until_it_is_removed(fixture: &Fixture) {
    let store = open(fixture).await;
    let key = key("payload");
    assert_eq!(get(&*store, &key).await, Lookup::Nothing);
    for payload in [&b"text"[..], b"", b"\xff\0\r\n"] {
        put(&*store, &key, payload).await;
        assert_eq!(get(&*store, &key).await, Lookup::Payload(Bytes::copy_from_slice(payload)));
        for _ in 0..2 {
            store.remove(&key).await.expect("the store removes");
            assert_eq!(get(&*store, &key).await, Lookup::Nothing);
        }
    }
}

/// A payload that is there already is replaced, by a longer and by a shorter one, and its time with it.
pub async fn replaces_a_payload(fixture: &Fixture) {
    let store = open(fixture).await;
    let key = key("replaced");
    store.put(&key, "short-lived".into(), Duration::from_millis(200)).await.expect("the store keeps it");
    let begun = Instant::now();
    for payload in ["a payload that is longer than the one before", "short"] {
        put(&*store, &key, payload.as_bytes()).await;
        assert_eq!(get(&*store, &key).await, Lookup::Payload(payload.into()));
    }
    while begun.elapsed() < Duration::from_millis(400) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(get(&*store, &key).await, Lookup::Payload("short".into()), "the time of the first one is no matter");
}

/// Payloads of three megabytes are kept whole.
pub async fn carries_payloads_of_megabytes(fixture: &Fixture) {
    let store = open(fixture).await;
    let key = key("large");
    let payload: Vec<u8> = (0..3 * 1024 * 1024_u32).map(|place| place.wrapping_mul(31).to_le_bytes()[1]).collect();
    put(&*store, &key, &payload).await;
    let Lookup::Payload(found) = get(&*store, &key).await else { panic!("it is there") };
    assert!(found == payload, "{} of {} bytes, or others", found.len(), payload.len());
}

/// A payload of the length of the limit is read; a longer one is too large, which does not harm it.
pub async fn reads_no_more_than_the_limit(fixture: &Fixture) {
    let store = open(fixture).await;
    let (key, empty) = (key("limit"), key("empty"));
    put(&*store, &key, b"fiver").await;
    put(&*store, &empty, b"").await;
    for (key, limit, expected) in [
        (&key, 5, Lookup::Payload("fiver".into())),
        (&key, 4, Lookup::TooLarge),
        (&key, 0, Lookup::TooLarge),
        (&key, 6, Lookup::Payload("fiver".into())),
        (&empty, 0, Lookup::Payload(Bytes::new())),
    ] {
        let found = store.get(key, limit).await.expect("the store answers");
        assert_eq!(found, expected, "with a limit of {limit}");
    }
}

/// A payload whose time is over is not given out any more, and may be put again; others stay.
pub async fn ends_a_payload_with_its_time(fixture: &Fixture) {
    let store = open(fixture).await;
    let (kept, key) = (key("kept"), key("short"));
    put(&*store, &kept, b"kept").await;
    store.put(&key, "short".into(), Duration::from_millis(20)).await.expect("the store keeps it");
    let begun = Instant::now();
    // A store that forgets by itself does not know that there was something.
    while !matches!(get(&*store, &key).await, Lookup::Expired | Lookup::Nothing) {
        assert!(begun.elapsed() < fixture.timeout(), "its time does not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(get(&*store, &kept).await, Lookup::Payload("kept".into()));
    put(&*store, &key, b"again").await;
    assert_eq!(get(&*store, &key).await, Lookup::Payload("again".into()));
}

/// Keys come from anybody: whatever is in them, each reaches its own payload and nothing else.
pub async fn keeps_keys_apart(fixture: &Fixture) {
    let store = open(fixture).await;
    let id = Uuid::new_v4();
    let hostile = [
        "../../etc/passwd",
        "/etc/passwd",
        "a/b",
        "a",
        "A",
        "a.",
        "..",
        ".",
        "",
        "C:\\x",
        "a|b",
        "*",
        "?",
        "ключ",
        "a b",
        "a\0b",
        "a\r\nSET x y",
        "\u{1b}[31m",
        "%2e%2e%2f",
        "'; DROP TABLE claims; --",
    ];
    let keys: Vec<String> = hostile.iter().flat_map(|key| [format!("{id}{key}"), format!("{key}{id}")]).collect();
    let keys: std::collections::BTreeSet<String> = keys.into_iter().collect();
    for key in &keys {
        put(&*store, key, key.as_bytes()).await;
    }
    for key in &keys {
        assert_eq!(get(&*store, key).await, Lookup::Payload(key.clone().into()), "{key:?}");
    }
    for key in &keys {
        store.remove(key).await.expect("the store removes");
        assert_eq!(get(&*store, key).await, Lookup::Nothing, "{key:?}");
    }
}

/// Keys of 1,024 bytes that differ in the last one are different keys.
pub async fn keeps_the_longest_key(fixture: &Fixture) {
    let store = open(fixture).await;
    let id = Uuid::new_v4().to_string();
    let begin = format!("{id}{}", "k".repeat(1023 - id.len()));
    let keys = [format!("{begin}1"), format!("{begin}2")];
    for key in &keys {
        put(&*store, key, key.as_bytes()).await;
    }
    for key in &keys {
        assert_eq!(get(&*store, key).await, Lookup::Payload(key.clone().into()));
    }
}

/// A reader beside a writer sees a payload whole: the one before or the one after, no mixture and no part.
pub async fn shows_a_payload_whole_or_not_at_all(fixture: &Fixture) {
    const SIZE: usize = 200_000;
    let store = open(fixture).await;
    let key = key("whole");
    put(&*store, &key, &[b'0'; SIZE]).await;
    let writers = (0..2).map(|writer| {
        let (store, key) = (Arc::clone(&store), key.clone());
        tokio::spawn(async move {
            for round in 0..15 {
                put(&*store, &key, &[b'0' + writer * 2 + round % 2; SIZE]).await;
            }
        })
    });
    let writing = tokio::spawn(join_all(writers));
    while !writing.is_finished() {
        match get(&*store, &key).await {
            Lookup::Payload(payload) => {
                assert_eq!(payload.len(), SIZE);
                assert!(payload.iter().all(|byte| *byte == payload[0]), "a mixture of two payloads");
            }
            other => panic!("it was never removed, but the store says {other:?}"),
        }
        tokio::task::yield_now().await;
    }
    for writer in writing.await.expect("no panic") {
        writer.expect("no panic");
    }
}

/// A store that is closed and opened again has its payloads.
pub async fn keeps_payloads_when_reopened(fixture: &Fixture) {
    let store = open(fixture).await;
    let (key, removed) = (key("reopened"), key("removed"));
    put(&*store, &key, b"text").await;
    put(&*store, &removed, b"text").await;
    store.remove(&removed).await.expect("the store removes");
    let store = reopen(fixture, store).await;
    assert_eq!(get(&*store, &key).await, Lookup::Payload("text".into()));
    assert_eq!(get(&*store, &removed).await, Lookup::Nothing);
}

fn key(name: &str) -> String {
    format!("{name}|{}", Uuid::new_v4())
}

async fn put(store: &dyn ClaimStore, key: &str, payload: &[u8]) {
    store.put(key, Bytes::copy_from_slice(payload), LONG).await.expect("the store keeps it");
}

async fn get(store: &dyn ClaimStore, key: &str) -> Lookup {
    store.get(key, LIMIT).await.expect("the store answers")
}
