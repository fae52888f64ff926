//! Properties of a [`Journal`].

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{SubsecRound, TimeDelta, Utc};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::json;
use uuid::Uuid;

use super::{JournalFixture, open, reopen};
use bloodbank_core::{
    Error, ErrorKind,
    message::{Outgoing, Properties},
    routing::BindingPattern,
    store::{Journal, JournalEntries, JournalEntry, JournalQuery, Position},
};

type Fixture = dyn JournalFixture;

/// More than a page of the journals that are known.
const MANY: usize = 1_200;

/// A journal without a message has no floor, no tip and no entries; asking for them is no error.
pub async fn is_empty_before_the_first_message(fixture: &Fixture) {
    let journal = open(fixture).await;
    assert_eq!((journal.floor().await.expect("it answers"), journal.tip().await.expect("it answers")), (None, None));
    for from in
        [Position::Start, Position::Offset(0), Position::Offset(7), Position::Time(Utc::now()), Position::Last(7)]
    {
        assert_eq!(read(&*journal, JournalQuery::all(), from).await, [""; 0], "{from:?}");
    }
    assert!(get(&*journal, Uuid::new_v4()).await.is_none());
    assert!(!journal.describe().is_empty(), "messages name the journal");
}

/// Entries come oldest first, with growing offsets, their times, and everything that was published.
pub async fn reads_whole_messages_oldest_first(fixture: &Fixture) {
    let journal = open(fixture).await;
    // The time of an entry may be to the second.
    let before = Utc::now() - TimeDelta::seconds(1);
    let mut published = Vec::new();
    for number in 0..20 {
        let mut message = numbered(fixture, "orders.order.placed", number);
        message.properties.app_id = Some("shop".into());
        message.properties.headers.set("traceparent", format!("00-{number}"));
        publish(fixture, message.clone()).await;
        published.push(message);
    }
    let entries = entries(&*journal, JournalQuery::all(), Position::Start).await;
    assert_eq!(entries.len(), published.len());
    for (entry, message) in entries.iter().zip(&published) {
        let kept = &entry.message;
        assert_eq!(
            (&kept.exchange, &kept.routing_key, &kept.body),
            (&message.exchange, &message.routing_key, &message.body)
        );
        assert_eq!(properties(&kept.properties), properties(&message.properties));
        assert_eq!(entry.event_type(), "orders.order.placed");
        assert!((before..=Utc::now()).contains(&entry.published_at), "{}", entry.published_at);
    }
    assert!(entries.is_sorted_by(|one, next| one.offset < next.offset), "offsets grow");
}

/// Reading from an offset begins with the entry there, or with the next one; behind the tip there is nothing.
pub async fn reads_from_an_offset(fixture: &Fixture) {
    let journal = open(fixture).await;
    publish_numbers(fixture, 0..5).await;
    let all = entries(&*journal, JournalQuery::all(), Position::Start).await;
    for (place, entry) in all.iter().enumerate() {
        let from = read(&*journal, JournalQuery::all(), Position::Offset(entry.offset)).await;
        assert_eq!(from, texts(place..5));
        let after = read(&*journal, JournalQuery::all(), Position::Offset(entry.offset + 1)).await;
        assert_eq!(after, texts(place + 1..5));
    }
    assert_eq!(read(&*journal, JournalQuery::all(), Position::Offset(0)).await, texts(0..5));
    assert_eq!(read(&*journal, JournalQuery::all(), Position::Offset(u64::MAX)).await, [""; 0]);
}

/// Reading from a time begins with the first entry of that time or later.
pub async fn reads_from_a_time(fixture: &Fixture) {
    let journal = open(fixture).await;
    let entries = publish_until_time_moves(fixture, &*journal).await;
    let newest = entries.last().expect("some were published").published_at;
    let later = entries.iter().filter(|entry| entry.published_at >= newest).map(text);
    assert_eq!(read(&*journal, JournalQuery::all(), Position::Time(newest)).await, later.collect::<Vec<_>>());
    let oldest = entries[0].published_at;
    assert_eq!(read(&*journal, JournalQuery::all(), Position::Time(oldest)).await.len(), entries.len());
    assert_eq!(
        read(&*journal, JournalQuery::all(), Position::Time(oldest - TimeDelta::days(1))).await.len(),
        entries.len()
    );
    let future = newest + TimeDelta::days(1);
    assert_eq!(read(&*journal, JournalQuery::all(), Position::Time(future)).await, [""; 0]);
}

/// The last entries are those that pass the query, oldest first; fewer where there are no more.
pub async fn reads_the_last(fixture: &Fixture) {
    let journal = open(fixture).await;
    publish_numbers(fixture, 0..4).await;
    publish(fixture, numbered(fixture, "bills.bill.sent", 4)).await;
    publish(fixture, numbered_on(1, fixture, "orders.order.placed", 5)).await;
    for (count, expected) in [(0, 6..6), (1, 5..6), (2, 4..6), (6, 0..6), (100, 0..6), (usize::MAX, 0..6)] {
        assert_eq!(read(&*journal, JournalQuery::all(), Position::Last(count)).await, texts(expected), "{count}");
    }
    let orders = JournalQuery::all().pattern(pattern("orders.#")).exchange(&*fixture.exchanges()[0]);
    assert_eq!(read(&*journal, orders.clone(), Position::Last(2)).await, texts(2..4));
    assert_eq!(read(&*journal, orders, Position::Last(100)).await, texts(0..4));
}

/// A pattern selects by event type: the property of that name, otherwise the routing key.
pub async fn queries_by_pattern(fixture: &Fixture) {
    let journal = open(fixture).await;
    publish(fixture, numbered(fixture, "orders.order.placed", 0)).await;
    publish(fixture, numbered(fixture, "bills.bill.sent", 1)).await;
    // As on its way to a retry: the key is a queue.
    let mut retried = numbered(fixture, "orders.order.failed", 2);
    retried.routing_key = "shop.ship".into();
    publish(fixture, retried).await;
    let mut foreign = numbered(fixture, "orders.foreign", 3);
    foreign.properties.event_type = None;
    publish(fixture, foreign).await;
    for (pattern, expected) in [
        ("#", &["0", "1", "2", "3"][..]),
        ("orders.#", &["0", "2", "3"]),
        ("orders.order.*", &["0", "2"]),
        ("bills.bill.sent", &["1"]),
        ("shop.#", &[]),
    ] {
        let query = JournalQuery::all().pattern(self::pattern(pattern));
        assert_eq!(read(&*journal, query, Position::Start).await, expected, "{pattern}");
    }
}

/// An exchange selects what went through it.
pub async fn queries_by_exchange(fixture: &Fixture) {
    let journal = open(fixture).await;
    for number in 0..6 {
        publish(fixture, numbered_on(number % 2, fixture, "orders.order.placed", number)).await;
    }
    let [events, other] = fixture.exchanges();
    for (exchange, expected) in [(&*events, &["0", "2", "4"][..]), (&*other, &["1", "3", "5"]), ("conformance", &[])] {
        let query = JournalQuery::all().exchange(exchange);
        assert_eq!(read(&*journal, query.clone(), Position::Start).await, expected, "{exchange}");
        let from = entries(&*journal, query.clone(), Position::Offset(0)).await;
        assert_eq!(from.iter().map(text).collect::<Vec<_>>(), expected, "{exchange}");
    }
}

/// A time selects what was published then or later, from every position.
pub async fn queries_by_time(fixture: &Fixture) {
    let journal = open(fixture).await;
    let entries = publish_until_time_moves(fixture, &*journal).await;
    let (oldest, newest) = (entries[0].published_at, entries[entries.len() - 1].published_at);
    let later: Vec<String> = entries.iter().filter(|entry| entry.published_at >= newest).map(text).collect();
    for from in [Position::Start, Position::Offset(0), Position::Time(oldest), Position::Last(usize::MAX)] {
        assert_eq!(read(&*journal, JournalQuery::all().since(newest), from).await, later, "{from:?}");
        assert_eq!(read(&*journal, JournalQuery::all().since(oldest), from).await.len(), entries.len(), "{from:?}");
        let future = newest + TimeDelta::days(1);
        assert_eq!(read(&*journal, JournalQuery::all().since(future), from).await, [""; 0], "{from:?}");
    }
}

/// An end of the time selects what was published before it, an offset what stands before it; from every position.
pub async fn queries_by_an_end(fixture: &Fixture) {
    let journal = open(fixture).await;
    let entries = publish_until_time_moves(fixture, &*journal).await;
    let newest = &entries[entries.len() - 1];
    let earlier: Vec<String> =
        entries.iter().filter(|entry| entry.published_at < newest.published_at).map(text).collect();
    let (oldest, count) = (entries[0].published_at, entries.len());
    for from in [Position::Start, Position::Offset(0), Position::Time(oldest), Position::Last(usize::MAX)] {
        assert_eq!(read(&*journal, JournalQuery::all().until(newest.published_at), from).await, earlier, "{from:?}");
        assert_eq!(read(&*journal, JournalQuery::all().until(oldest), from).await, [""; 0], "{from:?}");
        let before = JournalQuery::all().before(newest.offset);
        assert_eq!(read(&*journal, before, from).await, texts(0..count - 1), "{from:?}");
        assert_eq!(read(&*journal, JournalQuery::all().before(0), from).await, [""; 0], "{from:?}");
    }
    let page = JournalQuery::all().before(newest.offset);
    assert_eq!(read(&*journal, page, Position::Last(1)).await, texts(count - 2..count - 1), "a page backwards");
}

/// Types, an id, a source, a cause and a text of the payload select events; several of them, what has all.
pub async fn queries_by_what_an_event_says(fixture: &Fixture) {
    let journal = open(fixture).await;
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    publish(fixture, event(fixture, "orders.order.placed", first, "shop", &[], "Ada")).await;
    publish(fixture, event(fixture, "orders.order.shipped", second, "depot", &[first], "Ada")).await;
    publish(fixture, event(fixture, "bills.bill.sent", Uuid::new_v4(), "billing", &[second, first], "Bob")).await;
    // What no envelope says, the properties may.
    let mut foreign = numbered(fixture, "orders.order.placed", 3);
    foreign.properties.app_id = Some("shop".into());
    let foreign_id = foreign.properties.message_id.expect("it has one");
    publish(fixture, foreign).await;
    // And the other way round.
    let mut bare = event(fixture, "orders.order.lost", Uuid::new_v4(), "shop", &[], "shop");
    let bare_id = bare.properties.message_id.take().expect("it had one");
    publish(fixture, bare).await;
    let all = JournalQuery::all;
    let of = async |query: JournalQuery| -> Vec<usize> {
        let whole = entries(&*journal, all(), Position::Start).await;
        let place = |entry: &JournalEntry| whole.iter().position(|known| known.offset == entry.offset);
        let last = entries(&*journal, query.clone(), Position::Last(usize::MAX)).await;
        let found = entries(&*journal, query, Position::Start).await;
        assert_eq!(
            found.iter().map(|entry| entry.offset).collect::<Vec<_>>(),
            last.iter().map(|entry| entry.offset).collect::<Vec<_>>()
        );
        found.iter().filter_map(place).collect()
    };
    assert_eq!(of(all().types(["orders.order.placed"])).await, [0, 3]);
    assert_eq!(of(all().types(["orders.order.shipped", "bills.bill.sent"])).await, [1, 2]);
    assert_eq!(of(all().types(["orders.#"])).await, [0; 0], "a type is no pattern");
    assert_eq!(of(all().source("shop")).await, [0, 3, 4]);
    assert_eq!(of(all().source("Ada")).await, [0; 0]);
    assert_eq!(of(all().caused_by(first)).await, [1, 2]);
    assert_eq!(of(all().caused_by(second)).await, [2]);
    assert_eq!(of(all().event_id(second)).await, [1]);
    assert_eq!(of(all().event_id(foreign_id)).await, [3]);
    assert_eq!(of(all().event_id(bare_id)).await, [4]);
    assert_eq!(of(all().text("Ada")).await, [0, 1]);
    assert_eq!(of(all().text("ada")).await, [0; 0]);
    assert_eq!(of(all().text("shop")).await, [4], "only the payload counts");
    assert_eq!(of(all().text("Ada").source("shop")).await, [0]);
    assert_eq!(of(all().caused_by(first).pattern(pattern("bills.#"))).await, [2]);
}

/// Who follows gets what is there, then each later entry once and in order; a query selects of both.
pub async fn follows_what_is_published_later(fixture: &Fixture) {
    let journal = open(fixture).await;
    publish_numbers(fixture, 0..3).await;
    let offset = entries(&*journal, JournalQuery::all(), Position::Start).await[1].offset;
    let numbers = JournalQuery::all().pattern(pattern("orders.#"));
    let mut following = [
        (Position::Start, 0),
        (Position::Offset(offset), 1),
        (Position::Time(Utc::now() - TimeDelta::days(1)), 0),
        (Position::Last(2), 1),
        (Position::Last(0), 3),
    ]
    .map(|(from, first)| (journal.follow(numbers.clone(), from), from, first));
    // Begun before anything later is published, also that which waits.
    for (entries, from, first) in &mut following {
        for expected in *first..3 {
            assert_eq!(next(fixture, entries).await, expected.to_string(), "{from:?}");
        }
        // Who begins at the end has received nothing that shows that it has begun.
        let begins = if *first < 3 { Duration::from_millis(200) } else { Duration::from_secs(4) };
        let early = tokio::time::timeout(begins, entries.next()).await;
        assert!(early.is_err(), "{from:?}: {early:?}");
    }
    publish(fixture, numbered(fixture, "bills.bill.sent", 99)).await;
    publish_numbers(fixture, 3..MANY).await;
    for (entries, from, _) in &mut following {
        for expected in 3..MANY {
            assert_eq!(next(fixture, entries).await, expected.to_string(), "{from:?}");
        }
    }
}

/// The floor is the offset of the oldest entry, the tip that of the newest.
pub async fn has_a_floor_and_a_tip(fixture: &Fixture) {
    let journal = open(fixture).await;
    for number in 0..5 {
        publish_numbers(fixture, number..number + 1).await;
        let entries = entries(&*journal, JournalQuery::all(), Position::Start).await;
        assert_eq!(entries.len(), number + 1);
        assert_eq!(journal.floor().await.expect("it answers"), entries.first().map(|entry| entry.offset));
        assert_eq!(journal.tip().await.expect("it answers"), entries.last().map(|entry| entry.offset));
    }
}

/// An entry is got by its event id, whole; of several with the same id it is the newest.
pub async fn gets_the_newest_by_id(fixture: &Fixture) {
    let journal = open(fixture).await;
    let first = numbered(fixture, "orders.order.placed", 0);
    let id = first.properties.message_id.expect("it has one");
    publish(fixture, first.clone()).await;
    publish_numbers(fixture, 1..3).await;
    assert_eq!(get(&*journal, id).await.as_ref().map(text).as_deref(), Some("0"));
    let redriven = first.body("again");
    publish(fixture, redriven.clone()).await;
    publish_numbers(fixture, 3..5).await;
    let found = get(&*journal, id).await.expect("it was published");
    let last = &entries(&*journal, JournalQuery::all(), Position::Last(3)).await[0];
    assert_eq!((text(&found).as_str(), found.offset, found.published_at), ("again", last.offset, last.published_at));
    assert_eq!((&found.message.routing_key, &found.message.exchange), (&redriven.routing_key, &redriven.exchange));
    assert_eq!(properties(&found.message.properties), properties(&redriven.properties));
    assert!(get(&*journal, Uuid::new_v4()).await.is_none());
}

/// A stream that was begun ends where the journal ended then, whatever is published meanwhile.
pub async fn ends_where_it_ended_when_reading_began(fixture: &Fixture) {
    let journal = open(fixture).await;
    publish_numbers(fixture, 0..MANY).await;
    for from in [Position::Start, Position::Last(MANY)] {
        let begin = entries(&*journal, JournalQuery::all(), from).await.len();
        let mut reading = journal.read(JournalQuery::all(), from);
        let first = reading.next().await.expect("there are entries").expect("they can be read");
        publish_numbers(fixture, 0..50).await;
        let rest: Vec<JournalEntry> = reading.try_collect().await.expect("they can be read");
        assert_eq!(rest.len() + 1, begin, "{from:?}");
        assert!(rest.iter().all(|entry| entry.offset > first.offset));
    }
}

/// More entries than a store reads at once come once each and in order, also where few of them pass the query.
pub async fn reads_many_entries(fixture: &Fixture) {
    let journal = open(fixture).await;
    publish_numbers(fixture, 0..MANY).await;
    publish(fixture, numbered(fixture, "bills.bill.sent", MANY)).await;
    assert_eq!(read(&*journal, JournalQuery::all(), Position::Start).await, texts(0..MANY + 1));
    assert_eq!(read(&*journal, JournalQuery::all(), Position::Last(MANY)).await, texts(1..MANY + 1));
    let offset = entries(&*journal, JournalQuery::all(), Position::Start).await[100].offset;
    assert_eq!(read(&*journal, JournalQuery::all(), Position::Offset(offset)).await, texts(100..MANY + 1));
    let rare = JournalQuery::all().pattern(pattern("bills.#"));
    for from in [Position::Start, Position::Offset(offset), Position::Last(2)] {
        assert_eq!(read(&*journal, rare.clone(), from).await, texts(MANY..MANY + 1), "{from:?}");
    }
}

/// After its bus was closed, a journal answers everything with [`ErrorKind::Closed`]; a stream ends after its error.
pub async fn refuses_after_closing(fixture: &Fixture) {
    let journal = open(fixture).await;
    publish_numbers(fixture, 0..MANY).await;
    let mut begun = journal.read(JournalQuery::all(), Position::Start);
    let first = begun.next().await.expect("there are entries").expect("they can be read");
    let mut following = journal.follow(JournalQuery::all(), Position::Last(1));
    assert_eq!(next(fixture, &mut following).await, (MANY - 1).to_string());
    fixture.close().await;
    let ended = tokio::time::timeout(fixture.timeout(), following.next()).await;
    closed(ended.expect("who follows is told").expect("an error").map(|entry| entry.offset));
    assert!(following.next().await.is_none(), "the stream ends after an error");
    for from in [Position::Start, Position::Offset(0), Position::Time(Utc::now()), Position::Last(1)] {
        let mut reading = journal.read(JournalQuery::all(), from);
        closed(reading.next().await.expect("an error").map(|entry| entry.offset));
        assert!(reading.next().await.is_none(), "{from:?}: the stream ends after an error");
    }
    closed(journal.get(first.message.properties.message_id.expect("it has one")).await);
    closed(journal.floor().await);
    closed(journal.tip().await);
    // What was read already may still come.
    let rest: Vec<_> = begun.collect().await;
    let (last, before) = rest.split_last().expect("something comes, or an error");
    assert!(before.iter().all(Result::is_ok), "the stream ends after an error");
    match last {
        Ok(entry) => assert_eq!(text(entry), (MANY - 1).to_string(), "it ends early, without an error"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error}"),
    }
}

/// A journal that is closed and opened again has its entries under their offsets; later ones follow them.
pub async fn keeps_entries_when_reopened(fixture: &Fixture) {
    let journal = open(fixture).await;
    publish_numbers(fixture, 0..10).await;
    let before = entries(&*journal, JournalQuery::all(), Position::Start).await;
    let journal = reopen(fixture, journal).await;
    publish_numbers(fixture, 10..12).await;
    let after = entries(&*journal, JournalQuery::all(), Position::Start).await;
    let places = |entries: &[JournalEntry]| -> Vec<_> {
        entries.iter().map(|entry| (entry.offset, entry.published_at, text(entry))).collect()
    };
    assert_eq!(places(&after[..before.len().min(after.len())]), places(&before));
    assert_eq!(after.iter().map(text).collect::<Vec<_>>(), texts(0..12));
    assert!(after.is_sorted_by(|one, next| one.offset < next.offset), "offsets grow");
}

fn numbered(fixture: &Fixture, key: &str, number: usize) -> Outgoing {
    numbered_on(0, fixture, key, number)
}

/// A message on one of the exchanges. Its time is to the second, as on the wire of AMQP.
fn numbered_on(exchange: usize, fixture: &Fixture, key: &str, number: usize) -> Outgoing {
    let time = Utc::now().trunc_subsecs(0);
    Outgoing::new(Arc::clone(&fixture.exchanges()[exchange]), key, Bytes::from(number.to_string()))
        .properties(Properties::default().message_id(Uuid::new_v4()).event_type(key).timestamp(time))
}

/// An event in an envelope.
fn event(fixture: &Fixture, key: &str, id: Uuid, app: &str, causes: &[Uuid], customer: &str) -> Outgoing {
    let body = json!({
        "event_id": id, "event_type": key, "timestamp": Utc::now(), "version": "1.0.0",
        "source": { "host": "shop", "type": "hook", "app": app },
        "correlation_ids": causes, "payload": { "customer": customer },
    });
    let mut message = numbered(fixture, key, 0).body(body.to_string());
    message.properties.message_id = Some(id);
    message
}

/// The text of the next entry of a stream.
async fn next(fixture: &Fixture, entries: &mut JournalEntries) -> String {
    let next = tokio::time::timeout(fixture.timeout(), entries.next()).await;
    text(&next.expect("an entry comes").expect("the stream goes on").expect("the journal can be read"))
}

async fn publish(fixture: &Fixture, message: Outgoing) {
    fixture.publish(message).await.expect("the message is published");
}

/// Publishes numbers, one after the other in the order of the journal.
async fn publish_numbers(fixture: &Fixture, numbers: std::ops::Range<usize>) {
    let publishing = numbers.map(|number| publish(fixture, numbered(fixture, "orders.order.placed", number)));
    futures_util::stream::iter(publishing).buffered(100).for_each(|()| std::future::ready(())).await;
}

/// Publishes numbers until the journal's clock has moved, and returns their entries.
async fn publish_until_time_moves(fixture: &Fixture, journal: &dyn Journal) -> Vec<JournalEntry> {
    let begun = std::time::Instant::now();
    for number in 0.. {
        publish_numbers(fixture, number..number + 1).await;
        let entries = entries(journal, JournalQuery::all(), Position::Start).await;
        if number > 1 && entries[0].published_at < entries[number].published_at {
            return entries;
        }
        assert!(begun.elapsed() < fixture.timeout(), "the time of the entries does not move");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    unreachable!("numbers do not end")
}

async fn entries(journal: &dyn Journal, query: JournalQuery, from: Position) -> Vec<JournalEntry> {
    journal.read(query, from).try_collect().await.expect("the journal can be read")
}

async fn read(journal: &dyn Journal, query: JournalQuery, from: Position) -> Vec<String> {
    entries(journal, query, from).await.iter().map(text).collect()
}

async fn get(journal: &dyn Journal, id: Uuid) -> Option<JournalEntry> {
    journal.get(id).await.expect("the journal can be read")
}

fn closed<T: std::fmt::Debug>(answer: Result<T, Error>) {
    let error = answer.expect_err("the journal is closed");
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
}

fn text(entry: &JournalEntry) -> String {
    String::from_utf8_lossy(&entry.message.body).into_owned()
}

fn properties(properties: &Properties) -> serde_json::Value {
    serde_json::to_value(properties).expect("properties are plain data")
}

fn texts(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

fn pattern(pattern: &str) -> BindingPattern {
    BindingPattern::parse(pattern).expect("it is a pattern")
}
