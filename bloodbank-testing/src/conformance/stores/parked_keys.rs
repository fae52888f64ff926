//! Properties of a [`ParkedKeys`] store.

use std::{collections::BTreeSet, sync::Arc};

use chrono::{TimeDelta, Utc};
use uuid::Uuid;

use super::{StoreFixture, open, reopen};
use bloodbank_core::store::{ParkedEvent, ParkedKey, ParkedKeys, Place};

type Fixture = dyn StoreFixture<dyn ParkedKeys>;

/// Where nothing is parked, nothing is kept of those who ask.
pub async fn lets_everything_pass_where_nothing_is_parked(fixture: &Fixture) {
    let store = open(fixture).await;
    assert!(!store.describe().is_empty(), "messages name the store");
    let [one, other] = line("nothing");
    for event in [&one, &other, &one] {
        assert_eq!(join(&*store, event).await, Place::Free);
    }
    store.leave(&one).await.expect("the store answers");
    store.remove(&other).await.expect("the store answers");
    assert_eq!(list(&*store, &one).await, []);
    assert_eq!(join(&*store, &other).await, Place::Free);
}

/// What comes behind a parked event joins its line at the end, once, and the first has its turn.
pub async fn keeps_the_order_of_a_line(fixture: &Fixture) {
    let store = open(fixture).await;
    let events: [_; 5] = line("order");
    store.park(&events[0]).await.expect("the store answers");
    for event in &events[1..] {
        behind(&*store, event, events[0].event_id).await;
    }
    // In whatever order they come, and however often.
    let mut positions = Vec::new();
    for event in events.iter().rev() {
        let position = store.park(event).await.expect("the store answers");
        if *event == events[0] {
            assert_eq!(join(&*store, event).await, Place::First);
        } else {
            assert_eq!(behind(&*store, event, events[0].event_id).await, position);
        }
        positions.push(position);
    }
    assert!(positions.is_sorted_by(|later, earlier| later > earlier), "{positions:?}");
    assert_eq!(lines(&*store, &events[0]).await, [(5, events[0].event_id)]);
    for (place, event) in events.iter().enumerate() {
        for later in events[place + 1..].iter().rev() {
            behind(&*store, later, event.event_id).await;
        }
        assert_eq!(join(&*store, event).await, Place::First);
        store.leave(event).await.expect("the store answers");
    }
    assert_eq!(list(&*store, &events[0]).await, [], "nothing is left");
    assert_eq!(join(&*store, &events[4]).await, Place::Free);
}

/// An event whose acknowledgement was lost comes before those behind it once more, until the next one is handled.
pub async fn lets_pass_again_what_was_handled_last(fixture: &Fixture) {
    let store = open(fixture).await;
    let [first, second, third] = line("again");
    for event in [&first, &second, &third] {
        store.park(event).await.expect("the store answers");
    }
    for _ in 0..2 {
        store.leave(&first).await.expect("the store answers");
        assert_eq!(join(&*store, &first).await, Place::First, "it was handled in its place");
        assert_eq!(lines(&*store, &first).await, [(2, second.event_id)]);
    }
    // This time it fails, and has its place.
    let position = store.park(&first).await.expect("the store answers");
    assert!(behind(&*store, &second, first.event_id).await > position);
    for event in [&first, &second] {
        store.leave(event).await.expect("the store answers");
    }
    behind(&*store, &first, third.event_id).await;
    assert_eq!(lines(&*store, &first).await, [(2, third.event_id)]);
}

/// A discarded event leaves its line wherever it stands, and comes behind the others if it comes after all.
pub async fn removes_what_will_not_come(fixture: &Fixture) {
    let store = open(fixture).await;
    let events: [_; 4] = line("removed");
    for event in &events {
        store.park(event).await.expect("the store answers");
    }
    for _ in 0..2 {
        store.remove(&events[2]).await.expect("the store answers");
        store.remove(&events[0]).await.expect("the store answers");
    }
    assert_eq!(lines(&*store, &events[0]).await, [(2, events[1].event_id)]);
    assert_eq!(join(&*store, &events[1]).await, Place::First);
    behind(&*store, &events[0], events[1].event_id).await;
    for event in [&events[1], &events[3], &events[0]] {
        store.remove(event).await.expect("the store answers");
    }
    assert_eq!(join(&*store, &events[2]).await, Place::Free);
}

/// A released key has no line any more; others keep theirs.
pub async fn releases_a_key(fixture: &Fixture) {
    let store = open(fixture).await;
    let [first, second, third] = line("released");
    let other = ParkedEvent { key: "other".into(), ..first.clone() };
    for event in [&first, &second, &third, &other] {
        store.park(event).await.expect("the store answers");
    }
    store.leave(&first).await.expect("the store answers");
    let release = async || store.release(&first.queue, &first.key).await.expect("the store answers");
    assert_eq!((release().await, release().await), (2, 0));
    assert_eq!(lines(&*store, &first).await, [(1, other.event_id)]);
    store.park(&third).await.expect("the store answers");
    behind(&*store, &first, third.event_id).await;
}

/// Keys and subscribers have lines of their own, also where their names look alike, and keys are listed in their order.
pub async fn keeps_keys_and_subscribers_apart(fixture: &Fixture) {
    let store = open(fixture).await;
    let queue = unique("apart");
    let longest = "ü".repeat(127);
    let keys = ["", "A", "a", "a:b", "a b", "%", "*", "{a}", "ä", "日本", "\"a\\u0000\"", &longest];
    let event = |queue: &str, key: &str| ParkedEvent {
        queue: queue.into(),
        key: key.into(),
        event_id: Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{queue}/{key}").as_bytes()),
    };
    let queues = [queue.clone(), format!("{queue}:a"), queue.to_uppercase()];
    let before = Utc::now() - TimeDelta::minutes(5);
    for queue in &queues {
        for key in keys {
            let event = event(queue, key);
            assert_eq!(join(&*store, &event).await, Place::Free, "{event}");
            store.park(&event).await.expect("the store answers");
        }
    }
    for queue in &queues {
        let listed = store.list(queue).await.expect("the store answers");
        assert!(
            listed.iter().all(|key| key.since > before && key.since < Utc::now() + TimeDelta::minutes(5)),
            "{listed:?}"
        );
        let listed: Vec<_> =
            listed.into_iter().map(|ParkedKey { key, events, first, .. }| (key, events, first)).collect();
        let expected = BTreeSet::from(keys).into_iter().map(|key| (key.to_owned(), 1, event(queue, key).event_id));
        assert_eq!(listed, expected.collect::<Vec<_>>());
    }
}

/// Of many who join at the same time, each has one place, and all see the same first.
pub async fn gives_many_a_place_at_the_same_time(fixture: &Fixture) {
    let store = open(fixture).await;
    let events: [_; 16] = line("race");
    store.park(&events[0]).await.expect("the store answers");
    let joining = events.iter().skip(1).cycle().take(45).map(|event| {
        let (store, event) = (Arc::clone(&store), event.clone());
        tokio::spawn(async move { join(&*store, &event).await })
    });
    for joined in futures_util::future::join_all(joining).await {
        let place = joined.expect("no panic");
        assert!(matches!(place, Place::Behind { first, .. } if first == events[0].event_id), "{place:?}");
    }
    assert_eq!(lines(&*store, &events[0]).await, [(16, events[0].event_id)]);
}

/// Lines are kept in a store that is closed and opened again.
pub async fn keeps_lines_when_reopened(fixture: &Fixture) {
    let store = open(fixture).await;
    let [first, second, third, last] = line("kept");
    for event in [&first, &second, &third] {
        store.park(event).await.expect("the store answers");
    }
    store.leave(&first).await.expect("the store answers");
    let store = reopen(fixture, store).await;
    assert_eq!(lines(&*store, &first).await, [(2, second.event_id)]);
    assert_eq!(join(&*store, &first).await, Place::First, "it was handled last");
    behind(&*store, &last, second.event_id).await;
    store.leave(&second).await.expect("the store answers");
    behind(&*store, &last, third.event_id).await;
}

fn unique(queue: &str) -> String {
    format!("{queue}.{}", Uuid::new_v4())
}

/// Events of one key.
fn line<const N: usize>(queue: &str) -> [ParkedEvent; N] {
    let queue: Arc<str> = unique(queue).into();
    std::array::from_fn(|_| ParkedEvent { queue: Arc::clone(&queue), key: "o-1".into(), event_id: Uuid::new_v4() })
}

async fn join(store: &dyn ParkedKeys, event: &ParkedEvent) -> Place {
    store.join(event).await.expect("the store answers")
}

/// The position of an event that stands behind another one.
async fn behind(store: &dyn ParkedKeys, event: &ParkedEvent, expected: Uuid) -> u64 {
    match join(store, event).await {
        Place::Behind { first, position } if first == expected => position,
        place => panic!("{event} should be behind {expected}, and is {place:?}"),
    }
}

async fn list(store: &dyn ParkedKeys, event: &ParkedEvent) -> Vec<ParkedKey> {
    store.list(&event.queue).await.expect("the store answers")
}

/// The length and the first event of each line.
async fn lines(store: &dyn ParkedKeys, event: &ParkedEvent) -> Vec<(u64, Uuid)> {
    list(store, event).await.iter().map(|key| (key.events, key.first)).collect()
}
