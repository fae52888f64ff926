//! Properties of a [`LinkStore`].

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::{StoreFixture, open, reopen};
use bloodbank_core::store::{BatchRead, CausationLink, LinkEntry, LinkStore};

type Fixture = dyn StoreFixture<dyn LinkStore>;

/// A link says its parents in order, its time to the microsecond, its key, its program and its metadata.
pub async fn keeps_all_that_a_link_says(fixture: &Fixture) {
    let store = open(fixture).await;
    let [child, first, second] = ids();
    for parents in [[first, second], [second, first]] {
        let mut written = link(child, &parents);
        written.metadata =
            json!({"reason": "оба пришли", "nested": {"list": [1, 2.5, null, "x"]}}).as_object().cloned();
        write(&*store, std::slice::from_ref(&written)).await;
        let entry = entry(&*store, child).await.expect("it was written");
        assert_eq!(entry.parents, parents);
        assert_eq!(micros(entry.created_at), micros(Some(written.created_at)));
        assert_eq!(entry.event_type(), Some("orders.order.placed"));
        assert_eq!(entry.app(), Some("shop"));
        assert_eq!(entry.metadata, written.entry().metadata);
    }
    let bare = CausationLink { event_type: None, app: None, ..link(second, &[first]) };
    write(&*store, &[bare]).await;
    let entry = entry(&*store, second).await.expect("it was written");
    assert_eq!((entry.event_type(), entry.app(), entry.metadata.len()), (None, None, 0));
}

/// An event without parents is kept: a trace begins with its key, its program and its time.
pub async fn keeps_an_event_without_parents(fixture: &Fixture) {
    let store = open(fixture).await;
    let [root] = ids();
    write(&*store, &[link(root, &[])]).await;
    let entry = entry(&*store, root).await.expect("it was written");
    assert!(entry.parents.is_empty());
    assert_eq!(entry.event_type(), Some("orders.order.placed"));
}

/// Of an event that was not written nothing is known, and that is no error; its children are known all the same.
pub async fn knows_nothing_of_strangers(fixture: &Fixture) {
    let store = open(fixture).await;
    let [stranger, parent, child] = ids();
    assert_eq!(entry(&*store, stranger).await, None);
    assert!(children(&*store, stranger).await.is_empty());
    write(&*store, &[link(child, &[parent])]).await;
    assert_eq!(entry(&*store, parent).await, None, "a parent is no link by itself");
    assert_eq!(children(&*store, parent).await, HashSet::from([child]));
    assert!(children(&*store, child).await.is_empty());
}

/// Events are found by a range of ids, in order, once each, also those that are known as parents only.
pub async fn finds_events_between_two_ids(fixture: &Fixture) {
    let store = open(fixture).await;
    // Nobody else has ids with these first digits.
    let [base] = ids();
    let id = |last: u8| {
        let mut bytes = *base.as_bytes();
        bytes[15] = last;
        Uuid::from_bytes(bytes)
    };
    let links: Vec<_> = (10..30).map(|child| link(id(child), &[id(child / 10)])).collect();
    write(&*store, &links).await;
    write(&*store, &links[..5]).await;
    let find = async |first, last, limit| store.find(id(first), id(last), limit).await.expect("the store can be read");
    let all: Vec<_> = [1, 2].into_iter().chain(10..30).map(id).collect();
    assert_eq!(find(0, 255, 100).await, all);
    assert_eq!(find(2, 12, 100).await, [2, 10, 11, 12].map(id));
    assert_eq!(find(11, 255, 3).await, [11, 12, 13].map(id));
    assert_eq!(find(30, 255, 100).await, [] as [Uuid; 0]);
}

/// There is a value for each event that was asked for, in the order of the question, also where one is asked for twice.
pub async fn answers_in_the_order_of_the_question(fixture: &Fixture) {
    let store = open(fixture).await;
    let [root, left, right, stranger] = ids();
    write(&*store, &[link(root, &[]), link(left, &[root]), link(right, &[root, left])]).await;
    for asked in [[right, stranger, left, root, right], [root, right, root, stranger, left]] {
        let read = entries(&*store, &asked).await;
        for (event, entry) in asked.iter().zip(read) {
            let parents = entry.map(|entry| entry.parents);
            let expected = [(root, vec![]), (left, vec![root]), (right, vec![root, left])];
            assert_eq!(parents, expected.into_iter().find(|(known, _)| known == event).map(|(_, parents)| parents));
        }
        let read = understood(store.children(&asked).await.expect("the store answers"), asked.len());
        for (event, found) in asked.iter().zip(read) {
            let expected = [(root, vec![left, right]), (left, vec![right])];
            let expected = expected.into_iter().find(|(known, _)| known == event).map(|(_, children)| children);
            assert_eq!(HashSet::from_iter(found), HashSet::<Uuid>::from_iter(expected.unwrap_or_default()));
        }
    }
    assert!(entries(&*store, &[]).await.is_empty());
    assert!(understood(store.children(&[]).await.expect("the store answers"), 0).is_empty());
}

/// A child is listed under each of its parents, once, however often it was written.
pub async fn lists_children_once_each(fixture: &Fixture) {
    let store = open(fixture).await;
    let [first, second, one, other] = ids();
    for _ in 0..3 {
        write(&*store, &[link(one, &[first, second]), link(other, &[second])]).await;
        write(&*store, &[link(one, &[first, second]), link(one, &[first, second])]).await;
    }
    assert_eq!(children(&*store, first).await, HashSet::from([one]));
    assert_eq!(children(&*store, second).await, HashSet::from([one, other]));
}

/// A link that is there already is replaced: the last one counts, also among those that are written together.
pub async fn replaces_a_link(fixture: &Fixture) {
    let store = open(fixture).await;
    let [first, second, child] = ids();
    let mut before = link(child, &[first]);
    before.metadata = json!({"reason": "before"}).as_object().cloned();
    let after = CausationLink { app: Some("warehouse".into()), ..link(child, &[first, second]) };
    for links in [vec![vec![before.clone()], vec![after.clone()]], vec![vec![before, after]]] {
        for links in links {
            write(&*store, &links).await;
        }
        let entry = entry(&*store, child).await.expect("it was written");
        assert_eq!(entry.parents, [first, second]);
        assert_eq!(entry.app(), Some("warehouse"));
        assert!(!entry.metadata.contains_key("reason"), "{entry:?}");
        assert_eq!(children(&*store, second).await, HashSet::from([child]));
    }
}

/// An event that is written again without parents keeps those that are known: whoever publishes it a second time need not know
/// them.
pub async fn keeps_parents_when_an_event_comes_again_without(fixture: &Fixture) {
    let store = open(fixture).await;
    for is_together in [false, true] {
        let [parent, child] = ids();
        let links = [link(child, &[parent]), link(child, &[])];
        for links in links.chunks(if is_together { 2 } else { 1 }) {
            write(&*store, links).await;
        }
        assert_eq!(entry(&*store, child).await.expect("it was written").parents, [parent]);
        assert_eq!(children(&*store, parent).await, HashSet::from([child]));
    }
}

/// An event with 12,000 children has all of them, beside others with few.
pub async fn lists_many_children(fixture: &Fixture) {
    let store = open(fixture).await;
    let [few, many, none, other] = ids();
    let wide: Vec<CausationLink> = (0..12_000).map(|_| link(Uuid::new_v4(), &[many])).collect();
    for links in wide.chunks(2_000) {
        write(&*store, links).await;
    }
    let [one, another] = ids();
    write(&*store, &[link(one, &[few]), link(another, &[other])]).await;
    let read = store.children(&[few, many, none, other]).await.expect("the store answers");
    let read: Vec<HashSet<Uuid>> = understood(read, 4).into_iter().map(unique).collect();
    let wide: HashSet<Uuid> = wide.iter().map(|link| link.child).collect();
    assert_eq!(read[1].len(), wide.len());
    assert!(read[1] == wide, "they are the children that were written");
    assert_eq!((&read[0], &read[2], &read[3]), (&HashSet::from([one]), &HashSet::new(), &HashSet::from([another])));
}

/// A question may name thousands of events, some of them unknown.
pub async fn reads_many_events_at_once(fixture: &Fixture) {
    let store = open(fixture).await;
    let chain: Vec<Uuid> = (0..2_500).map(|_| Uuid::new_v4()).collect();
    let links: Vec<CausationLink> = chain.windows(2).map(|pair| link(pair[1], &[pair[0]])).collect();
    write(&*store, &links).await;
    let read = entries(&*store, &chain).await;
    assert!(read[0].is_none(), "the first one was not written");
    for (entry, parent) in read[1..].iter().zip(&chain) {
        assert_eq!(entry.as_ref().map(|entry| &*entry.parents), Some(&[*parent][..]));
    }
    let read = understood(store.children(&chain).await.expect("the store answers"), chain.len());
    for (found, child) in read.iter().zip(&chain[1..]) {
        assert_eq!(found, &[*child]);
    }
    assert!(read[chain.len() - 1].is_empty(), "the last one has no child");
}

/// Writers that write at the same time do not take anything from each other.
pub async fn keeps_links_that_are_written_at_once(fixture: &Fixture) {
    let store = open(fixture).await;
    let [parent] = ids();
    let writers = (0..8).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let links: Vec<CausationLink> = (0..50).map(|_| link(Uuid::new_v4(), &[parent])).collect();
            for links in links.chunks(5) {
                write(&*store, links).await;
            }
            links
        })
    });
    let mut written = HashSet::new();
    for links in join_all(writers).await {
        written.extend(links.expect("no panic").iter().map(|link| link.child));
    }
    assert_eq!(children(&*store, parent).await, written);
    let written: Vec<Uuid> = written.into_iter().collect();
    assert!(entries(&*store, &written).await.iter().all(Option::is_some));
}

/// While links can be written, a probe says so; the store has a name, and its clock, if it has one, is ours by a day.
pub async fn answers_a_probe(fixture: &Fixture) {
    let store = open(fixture).await;
    store.probe().await.expect("links can be written");
    assert!(!store.describe().is_empty(), "messages name the store");
    if let Some(time) = store.time().await.expect("the store answers") {
        assert!((Utc::now() - time).abs() < TimeDelta::days(1), "{time}");
    }
}

/// A store that is closed and opened again has its links.
pub async fn keeps_links_when_reopened(fixture: &Fixture) {
    let store = open(fixture).await;
    let [parent, child] = ids();
    write(&*store, &[link(child, &[parent])]).await;
    let before = entry(&*store, child).await;
    let store = reopen(fixture, store).await;
    assert!(before.is_some());
    assert_eq!(entry(&*store, child).await, before);
    assert_eq!(children(&*store, parent).await, HashSet::from([child]));
}

pub(super) fn ids<const N: usize>() -> [Uuid; N] {
    std::array::from_fn(|_| Uuid::new_v4())
}

pub(super) fn link(child: Uuid, parents: &[Uuid]) -> CausationLink {
    CausationLink {
        child,
        parents: parents.to_vec(),
        event_type: Some("orders.order.placed".into()),
        created_at: Utc::now(),
        app: Some("shop".into()),
        metadata: None,
    }
}

async fn write(store: &dyn LinkStore, links: &[CausationLink]) {
    let in_the_way = store.write(links).await.expect("the store writes");
    assert_eq!(in_the_way, [], "nothing is in the way of new events");
}

async fn entries(store: &dyn LinkStore, events: &[Uuid]) -> Vec<Option<LinkEntry>> {
    understood(store.entries(events).await.expect("the store answers"), events.len())
}

pub(super) async fn entry(store: &dyn LinkStore, event: Uuid) -> Option<LinkEntry> {
    entries(store, &[event]).await.swap_remove(0)
}

pub(super) async fn children(store: &dyn LinkStore, event: Uuid) -> HashSet<Uuid> {
    let read = store.children(&[event]).await.expect("the store answers");
    unique(understood(read, 1).swap_remove(0))
}

/// The ids as a set, each of which was there once.
fn unique(ids: Vec<Uuid>) -> HashSet<Uuid> {
    let count = ids.len();
    let unique = HashSet::from_iter(ids);
    assert_eq!(unique.len(), count, "each child is listed once");
    unique
}

fn understood<T>(read: BatchRead<T>, count: usize) -> Vec<T> {
    assert_eq!(read.malformed, [], "nobody else wrote there");
    assert_eq!(read.values.len(), count, "one value for each event");
    read.values
}

fn micros(time: Option<DateTime<Utc>>) -> Option<i64> {
    time.map(|time| time.timestamp_micros())
}
