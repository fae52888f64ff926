//! Dead letters on every bus: listed, decoded, redriven, discarded.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::common::soon;
use bloodbank::{
    DeadLetters, ErrorKind, RunningApp,
    dead_letter::{DeadLetterDetail, DeadLetterEntry, Filter, Mode},
    message::{ForeignProperties, HeaderValue, Headers, Outgoing, Properties, names},
    prelude::*,
    routing::BindingPattern,
};
use bloodbank_harness::unique;
use tokio::sync::mpsc;
use uuid::Uuid;

on_every_bus! {
    what_was_given_up_is_listed_with_its_reason,
    a_redriven_event_comes_to_the_subscriber_that_failed_alone,
    a_dry_run_changes_nothing,
    what_fails_again_is_not_redriven_without_end,
    two_redrives_at_once_neither_double_nor_lose,
    what_has_no_queue_to_go_to_stays,
    discarded_letters_are_gone,
    a_message_of_somebody_else_keeps_what_it_came_with_and_has_a_handle,
    the_oldest_are_first_however_often_somebody_looks,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "mail.letter.written")]
struct Written {
    number: u32,
}

fn written(number: u32) -> Written {
    Written { number }
}

/// What the subscribers were called with: name, number, attempt.
type Seen = mpsc::UnboundedSender<(&'static str, u32, u32)>;

/// Whether the post refuses.
#[derive(Clone, Default)]
struct Strike(Arc<AtomicBool>);

#[subscriber]
async fn post(
    letter: Written,
    context: Context,
    State(seen): State<Seen>,
    State(strike): State<Strike>,
) -> Result<(), HandlerError> {
    // Before anybody hears of the call: a strike that begins then is for the next letter.
    let refuses = strike.0.load(Ordering::SeqCst);
    seen.send(("post", letter.number, context.attempt())).unwrap();
    if refuses {
        return Err(HandlerError::permanent(format!("no post for {}", letter.number)));
    }
    Ok(())
}

#[subscriber]
async fn archive(letter: Written, context: Context, State(seen): State<Seen>) {
    seen.send(("archive", letter.number, context.attempt())).unwrap();
}

struct Office {
    bus: Bus,
    service: String,
    strike: Strike,
    calls: mpsc::UnboundedReceiver<(&'static str, u32, u32)>,
    app: RunningApp,
}

impl Office {
    async fn open(bus: Bus) -> Self {
        let service = unique("office");
        let (seen, calls) = mpsc::unbounded_channel();
        let strike = Strike::default();
        let app = App::new(&*service, bus.clone())
            .state(seen)
            .state(strike.clone())
            .subscribe(post)
            .subscribe(archive)
            .start()
            .await
            .unwrap();
        strike.0.store(true, Ordering::SeqCst);
        Self { bus, service, strike, calls, app }
    }

    fn letters(&self) -> DeadLetters {
        DeadLetters::of(&self.bus, format!("{}.post", self.service))
    }

    /// Publishes so many letters, which are all given up.
    async fn give_up(&mut self, count: u32) -> Vec<Uuid> {
        let mut ids = Vec::new();
        for number in 0..count {
            ids.push(self.bus.publish(written(number)).await.unwrap().event_id);
        }
        self.calls(2 * count).await;
        self.wait_for(count).await;
        ids
    }

    async fn calls(&mut self, count: u32) -> Vec<(&'static str, u32, u32)> {
        let mut calls = Vec::new();
        for _ in 0..count {
            calls.push(soon("a call", self.calls.recv()).await.unwrap());
        }
        calls
    }

    async fn wait_for(&self, count: u32) {
        let letters = self.letters();
        soon("the dead letters", async {
            while letters.count().await.unwrap() < count as usize {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

async fn what_was_given_up_is_listed_with_its_reason(bus: Bus) {
    let mut office = Office::open(bus).await;
    let ids = office.give_up(3).await;
    let garbage = Outgoing::new("", format!("{}.post", office.service), "garbage").mandatory();
    office.bus.transport().publish(garbage).await.unwrap();
    office.wait_for(4).await;
    let letters = office.letters();
    // More often than a broker delivers by default.
    for _ in 0..25 {
        let listed = letters.list(&Filter::default()).await.unwrap();
        assert_eq!(listed.len(), 4);
    }
    let listed = letters.list(&Filter::default()).await.unwrap();
    for (letter, (id, number)) in listed.iter().zip(ids.iter().zip(0_u32..)) {
        assert_eq!((letter.event_id, &*letter.event_type), (Some(*id), "mail.letter.written"));
        assert_eq!((&*letter.reason, letter.attempts, letter.redriven), ("failed", 1, 0));
        assert_eq!(letter.error.as_deref(), Some(&*format!("no post for {number}")));
        assert!(letter.first_failed.is_some() && letter.last_failed.is_some());
        let decoded = letter.decode().unwrap();
        assert_eq!(decoded.event_id, *id);
        assert_eq!(decoded.payload.to_value().unwrap()["number"], number);
    }
    let broken = &listed[3];
    assert_eq!((broken.event_id, &*broken.reason), (None, "undecodable"));
    assert_eq!(broken.decode().err().unwrap().kind(), ErrorKind::InvalidEnvelope);

    let list = async |filter: Filter| letters.list(&filter).await.unwrap().len();
    let all = Filter::default;
    assert_eq!(list(Filter::event(ids[1])).await, 1);
    assert_eq!(list(Filter { limit: Some(2), ..all() }).await, 2);
    assert_eq!(list(Filter { reason: Some("failed".into()), ..all() }).await, 3);
    assert_eq!(list(Filter { error: Some("for 2".into()), ..all() }).await, 1);
    assert_eq!(list(Filter { decodes: Some(false), ..all() }).await, 1);
    assert_eq!(list(Filter { event_type: Some(BindingPattern::from_static("mail.#")), ..all() }).await, 3);
    assert_eq!(list(Filter { event_type: Some(BindingPattern::from_static("bills.#")), ..all() }).await, 0);
    assert_eq!(list(Filter { since: listed[0].last_failed, ..all() }).await, 4);
    assert_eq!(list(Filter { before: listed[0].first_failed, ..all() }).await, 0);
    let unknown = DeadLetters::of(&office.bus, unique("nobody"));
    assert_eq!(unknown.list(&all()).await.unwrap_err().kind(), ErrorKind::Topology);
    let mut queues: Vec<_> = DeadLetters::linked(&office.bus, &office.service);
    queues.retain(|letters| letters.queue().contains(".post") || letters.queue().contains(".archive"));
    assert_eq!(queues.len(), 2);
    office.app.shutdown().await.unwrap();
}

async fn a_redriven_event_comes_to_the_subscriber_that_failed_alone(bus: Bus) {
    let mut office = Office::open(bus).await;
    let ids = office.give_up(5).await;
    office.strike.0.store(false, Ordering::SeqCst);
    // Spawned: it can run anywhere.
    let letters = office.letters();
    let handles = ids[1..4].iter().map(|id| (*id).into()).collect();
    let filter = Filter { handles, ..Filter::default() };
    let report = tokio::spawn(async move { letters.redrive(&filter, Mode::Apply).await }).await.unwrap().unwrap();
    assert_eq!((report.looked_at, report.done(), report.failed()), (5, 3, 0));
    assert!(report.interrupted.is_none());
    assert_eq!(office.calls(3).await, [("post", 1, 1), ("post", 2, 1), ("post", 3, 1)], "in order, from attempt 1");
    let left = office.letters().list(&Filter::default()).await.unwrap();
    assert_eq!(left.iter().map(|letter| letter.event_id.unwrap()).collect::<Vec<_>>(), [ids[0], ids[4]]);
    // Given up again, it says how often it was brought back.
    office.strike.0.store(true, Ordering::SeqCst);
    office.letters().redrive(&Filter::event(ids[0]), Mode::Apply).await.unwrap();
    office.calls(1).await;
    office.wait_for(2).await;
    let again = office.letters().list(&Filter::event(ids[0])).await.unwrap();
    assert_eq!((again[0].redriven, again[0].attempts), (1, 1));
    office.app.shutdown().await.unwrap();
    assert!(office.calls.try_recv().is_err(), "nobody else was called");
}

async fn a_dry_run_changes_nothing(bus: Bus) {
    let mut office = Office::open(bus).await;
    office.give_up(3).await;
    let letters = office.letters();
    let redriven = letters.redrive(&Filter::default(), Mode::DryRun).await.unwrap();
    let discarded = letters.discard(&Filter { limit: Some(2), ..Filter::default() }, Mode::DryRun).await.unwrap();
    assert_eq!((redriven.done(), discarded.done()), (3, 2));
    assert_eq!(letters.list(&Filter::default()).await.unwrap().len(), 3);
    office.app.shutdown().await.unwrap();
    assert!(office.calls.try_recv().is_err(), "nobody was called");
}

async fn what_fails_again_is_not_redriven_without_end(bus: Bus) {
    let mut office = Office::open(bus).await;
    office.give_up(30).await;
    let report = office.letters().redrive(&Filter::default(), Mode::Apply).await.unwrap();
    assert_eq!((report.looked_at, report.done()), (30, 30));
    office.calls(30).await;
    office.wait_for(30).await;
    office.app.shutdown().await.unwrap();
    assert!(office.calls.try_recv().is_err(), "each was handled once more");
}

async fn two_redrives_at_once_neither_double_nor_lose(bus: Bus) {
    const COUNT: u32 = 300;
    let mut office = Office::open(bus).await;
    office.give_up(COUNT).await;
    office.strike.0.store(false, Ordering::SeqCst);
    let redrives = [(); 3].map(|()| {
        let letters = office.letters();
        tokio::spawn(async move { letters.redrive(&Filter::default(), Mode::Apply).await.unwrap().done() })
    });
    let mut done = 0;
    for redrive in redrives {
        done += redrive.await.unwrap();
    }
    let mut handled: BTreeMap<u32, u32> = BTreeMap::new();
    for (_, number, _) in office.calls(COUNT).await {
        *handled.entry(number).or_default() += 1;
    }
    assert_eq!(done, COUNT as usize);
    assert!(handled.len() == COUNT as usize && handled.values().all(|times| *times == 1), "{handled:?}");
    assert_eq!(office.letters().count().await.unwrap(), 0);
    office.app.shutdown().await.unwrap();
    assert!(office.calls.try_recv().is_err(), "none was doubled");
}

async fn what_has_no_queue_to_go_to_stays(bus: Bus) {
    // Parked by hand, for a subscriber that does not exist.
    let queue = unique("gone");
    let letters = DeadLetters::of(&bus, &*queue);
    let parked = bloodbank::transport::topology::Queue::new(Arc::clone(letters.parked()), bus.settings().queue_kind);
    let topology = bloodbank::transport::Topology::default().queues([parked]);
    bus.transport().declare(topology).await.unwrap();
    let mut properties = Properties::default().message_id(Uuid::new_v4());
    properties.headers.set(names::REASON, "failed");
    let message = Outgoing::new("", Arc::clone(letters.parked()), "{}").properties(properties).mandatory();
    bus.transport().publish(message).await.unwrap();
    let report = letters.redrive(&Filter::default(), Mode::Apply).await.unwrap();
    assert_eq!((report.done(), report.failed()), (0, 1));
    let error = report.letters[0].result.as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unrouted);
    assert!(error.to_string().contains(&queue), "{error}");
    assert_eq!(letters.count().await.unwrap(), 1, "it is still there");
    bus.close().await;
    assert_eq!(letters.list(&Filter::default()).await.unwrap_err().kind(), ErrorKind::Closed);
}

async fn discarded_letters_are_gone(bus: Bus) {
    let mut office = Office::open(bus).await;
    let ids = office.give_up(4).await;
    let report = office.letters().discard(&Filter::event(ids[2]), Mode::Apply).await.unwrap();
    assert_eq!((report.looked_at, report.done()), (4, 1));
    assert_eq!(office.letters().count().await.unwrap(), 3);
    let report = office.letters().discard(&Filter::default(), Mode::Apply).await.unwrap();
    assert_eq!(report.done(), 3);
    assert_eq!(office.letters().count().await.unwrap(), 0);
    office.app.shutdown().await.unwrap();
}

/// Keys and exchanges that the post received, and whether the headers were there.
type Came = mpsc::UnboundedSender<(String, String, Option<HeaderValue>)>;

/// Fails twice, and notes what each attempt came with.
#[subscriber(pattern = "mail.#", retry(max_attempts = 2, backoff = "1ms..2ms"))]
async fn sorter(_: Written, context: Context, State(came): State<Came>) -> Result<(), HandlerError> {
    let message = context.message();
    let tags = context.headers().get("tags").cloned();
    came.send((message.exchange.to_string(), message.routing_key.to_string(), tags)).unwrap();
    Err(HandlerError::retry("not today"))
}

async fn a_message_of_somebody_else_keeps_what_it_came_with_and_has_a_handle(bus: Bus) {
    let service = unique("office");
    let (came, mut calls) = mpsc::unbounded_channel();
    let app = App::new(&*service, bus.clone()).state(came).subscribe(sorter).start().await.unwrap();
    let mut table = Headers::default();
    table.set("weight", HeaderValue::Float(0.5));
    let tags = HeaderValue::List(vec!["a".into(), HeaderValue::Void, HeaderValue::Table(table)]);
    let text = |text: &str| Arc::<str>::from(text);
    let foreign = ForeignProperties::default().message_id(text("order 17")).content_type(text("text/plain"));
    let mut properties = Properties::default().priority(4).foreign(foreign);
    properties.headers.set("tags", tags.clone());
    properties.headers.set("sent", HeaderValue::Timestamp(chrono::DateTime::UNIX_EPOCH));
    let envelope = serde_json::json!({
        "event_id": Uuid::new_v4(), "event_type": "mail.letter.written", "timestamp": "2025-10-18T12:00:00Z",
        "payload": { "number": 1 },
    });
    let send = async |key: &str, body: String| {
        let message = Outgoing::new(Arc::clone(bus.exchange()), key, body).properties(properties.clone()).mandatory();
        bus.transport().publish(message).await.unwrap();
    };
    // Each attempt sees what the message came with, although the second came through another exchange.
    send("mail.letter.written", envelope.to_string()).await;
    for _ in 0..2 {
        let (exchange, key, got) = soon("a call", calls.recv()).await.unwrap();
        assert_eq!((exchange, &*key, got), (bus.exchange().to_string(), "mail.letter.written", Some(tags.clone())));
    }
    for body in ["hello", "\u{1F48C}"] {
        send("mail.postcard", body.to_owned()).await;
    }
    let letters = DeadLetters::of(&bus, format!("{service}.sorter"));
    soon("both", async {
        while letters.count().await.unwrap() < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let postcards = || Filter { event_type: Some(BindingPattern::from_static("mail.postcard")), ..Filter::default() };
    let listed = letters.list(&postcards()).await.unwrap();
    let handles: Vec<_> = listed.iter().map(|letter| letter.handle).collect();
    assert!(handles[0] != handles[1] && handles[0].to_string().starts_with("m-"), "{handles:?}");
    let again = letters.list(&postcards()).await.unwrap();
    assert_eq!(again.iter().map(|letter| letter.handle).collect::<Vec<_>>(), handles, "it stays the same");
    let letter = &letters.list(&Filter::handle(handles[0])).await.unwrap()[0];
    assert_eq!((&*letter.routing_key, &*letter.exchange), ("mail.postcard", &**bus.exchange()));
    assert_eq!(letter.event_type, "mail.postcard");
    let got = &letter.message.properties;
    assert_eq!((got.priority, &got.foreign), (Some(4), &properties.foreign));
    for name in ["tags", "sent"] {
        assert_eq!(got.headers.get(name), properties.headers.get(name), "{name}");
    }
    let entry = serde_json::to_value(DeadLetterEntry::of(letter, DeadLetterDetail::Message)).unwrap();
    assert_eq!((&entry["message"], &entry["routing_key"]), (&"hello".into(), &"mail.postcard".into()), "{entry}");
    assert_eq!(entry["properties"]["foreign"]["message_id"], "order 17", "{entry}");
    let read: DeadLetterEntry = serde_json::from_value(entry).unwrap();
    assert_eq!(read, DeadLetterEntry::of(letter, DeadLetterDetail::Message));
    // By its handle alone it is brought back, with the key it had, and the other one is dropped.
    assert_eq!(letters.redrive(&Filter::handle(handles[0]), Mode::Apply).await.unwrap().done(), 1);
    soon("it is given up again", async {
        while letters.list(&postcards()).await.unwrap().iter().all(|letter| letter.redriven == 0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(letters.list(&postcards()).await.unwrap().len(), 2);
    assert_eq!(letters.discard(&Filter::handle(handles[1]), Mode::Apply).await.unwrap().done(), 1);
    app.shutdown().await.unwrap();
}

async fn the_oldest_are_first_however_often_somebody_looks(bus: Bus) {
    let mut office = Office::open(bus).await;
    let ids = office.give_up(6).await;
    let letters = office.letters();
    let first = Filter { limit: Some(2), ..Filter::default() };
    for _ in 0..5 {
        let listed = letters.list(&first).await.unwrap();
        assert_eq!(listed.iter().map(|letter| letter.event_id.unwrap()).collect::<Vec<_>>(), ids[..2]);
    }
    // What is looked at and left in the middle may change its place in the queue, and in no listing.
    letters.list(&Filter { limit: Some(1), ..Filter::event(ids[3]) }).await.unwrap();
    let report = letters.discard(&first, Mode::Apply).await.unwrap();
    assert_eq!(report.letters.iter().map(|done| done.letter.event_id.unwrap()).collect::<Vec<_>>(), ids[..2]);
    let listed = letters.list(&Filter::default()).await.unwrap();
    assert_eq!(listed.iter().map(|letter| letter.event_id.unwrap()).collect::<Vec<_>>(), ids[2..]);
    office.app.shutdown().await.unwrap();
}

/// A crash of the one who redrives: nothing is lost, and what comes twice has the same id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_that_is_dropped_loses_nothing() {
    for bus in [crate::common::memory().await, crate::common::file().await, crate::common::quorum().await] {
        let mut office = Office::open(bus).await;
        let ids = office.give_up(40).await;
        office.strike.0.store(false, Ordering::SeqCst);
        let mut handled = BTreeMap::new();
        let mut micros = 200;
        while handled.len() < ids.len() {
            let (letters, filter) = (office.letters(), Filter::default());
            let redrive = letters.redrive(&filter, Mode::Apply);
            // Dropped in the middle, wherever that is.
            let _ = tokio::time::timeout(std::time::Duration::from_micros(micros), redrive).await;
            micros = (micros * 3 / 2).min(2_000_000);
            while let Ok((_, number, _)) = office.calls.try_recv() {
                *handled.entry(number).or_insert(0) += 1;
            }
        }
        println!("{handled:?}");
        office.app.shutdown().await.unwrap();
    }
}

/// What `bb topology diff` shows: the whole program's topology beside the broker's.
#[tokio::test]
async fn the_topology_of_a_program_can_be_compared_before_it_runs() {
    use bloodbank::transport::TopologyStatus;
    for bus in [crate::common::memory().await, crate::common::quorum().await] {
        let office = unique("office");
        let (seen, _calls) = mpsc::unbounded_channel::<(&'static str, u32, u32)>();
        let app = App::new(&*office, bus.clone()).state(seen).state(Strike::default()).subscribe(post);
        let wanted = app.topology();
        let queue = format!("queue `{office}.post`");
        let state = async || {
            let compared = bus.transport().compare(wanted.clone()).await.unwrap();
            compared.into_iter().find(|compared| compared.item == queue).unwrap().status
        };
        assert_eq!(state().await, TopologyStatus::Missing);
        bus.transport().declare(wanted.clone()).await.unwrap();
        assert_eq!(state().await, TopologyStatus::Equal);
    }
}

/// A broker that has the queues in another way: whoever starts the app reads about every one of them at once.
#[tokio::test]
async fn every_conflict_is_named_when_an_app_starts() {
    use bloodbank::{settings::QueueKind, transport::topology::Queue};
    for bus in [crate::common::memory().await, crate::common::quorum().await] {
        let service = unique("office");
        let names = ["post", "archive"].map(|name| format!("{service}.{name}"));
        let queues = names.iter().map(|name| Queue::new(&**name, QueueKind::Classic));
        bus.transport().declare(bloodbank::transport::Topology::default().queues(queues)).await.unwrap();
        let (seen, _calls) = mpsc::unbounded_channel::<(&'static str, u32, u32)>();
        let app = App::new(&*service, bus).state(seen).state(Strike::default()).subscribe(post).subscribe(archive);
        let error = app.start().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Topology);
        for name in names {
            let both = format!("queue `{name}`: `x-queue-type`: the broker has");
            let embedded = format!("queue `{name}`: `x-");
            let shown = error.to_string();
            assert!(shown.contains(&both) || shown.contains(&embedded), "{shown}");
        }
        assert!(error.to_string().contains("delete it"), "{error}");
    }
}
