//! Replay into the queue of one subscriber: on the embedded bus in a file, and on RabbitMQ with a journal.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use crate::common::{self, Fate, intercepted, soon};
use bloodbank::{
    ErrorKind, Replay,
    amqp::{JournalRetention, JournalSwitch},
    message::{Outgoing, names},
    prelude::*,
    replay::{ReplayProgress, ReplayState},
    routing::BindingPattern,
    store::{JournalEntry, JournalQuery, Position},
};
use futures_util::TryStreamExt;
use tokio::sync::mpsc;
use uuid::Uuid;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "annals.year.ended")]
struct Ended {
    year: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "annals.year.recorded")]
struct Recorded {
    year: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "annals.page.lost")]
struct Lost {
    page: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "annals.page.failed", failure)]
struct PageFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

#[subscriber]
async fn find(lost: Lost) -> Result<(), PageFailed> {
    let error_message = format!("page {} is lost", lost.page);
    Err(PageFailed { error_message, is_retryable: false, retry_count: 0 })
}

/// What a subscriber was given: who it was, the year, and the replay.
type Seen = (&'static str, u32, Option<Uuid>);

#[derive(Clone)]
struct Scribe {
    seen: mpsc::UnboundedSender<Seen>,
    /// How many years fail before the first one is recorded.
    failing: Arc<AtomicU32>,
}

#[subscriber(dedupe(within = "1h"))]
async fn record(ended: Ended, context: Context, State(scribe): State<Scribe>) -> Result<Recorded, HandlerError> {
    assert_eq!(context.message().routing_key.as_ref(), "annals.year.ended", "as it was published");
    if scribe.failing.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
        return Err(HandlerError::retry("the ink is dry"));
    }
    scribe.seen.send(("record", ended.year, context.replay())).unwrap();
    Ok(Recorded { year: ended.year })
}

#[subscriber]
async fn audit(ended: Ended, context: Context, State(scribe): State<Scribe>) -> Result<(), HandlerError> {
    scribe.seen.send(("audit", ended.year, context.replay())).unwrap();
    Ok(())
}

#[subscriber]
async fn read(recorded: Recorded, context: Context, State(scribe): State<Scribe>) -> Result<(), HandlerError> {
    scribe.seen.send(("read", recorded.year, context.replay())).unwrap();
    Ok(())
}

struct Bench {
    bus: Bus,
    app: bloodbank::RunningApp,
    seen: mpsc::UnboundedReceiver<Seen>,
    failing: Arc<AtomicU32>,
    queue: String,
}

impl Bench {
    async fn on(bus: Bus) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let failing = Arc::<AtomicU32>::default();
        let service = bloodbank_harness::unique("annals");
        let scribe = Scribe { seen: sender, failing: Arc::clone(&failing) };
        let dedupe = bloodbank::dedupe::Dedupe::in_store(Arc::new(bloodbank::store::memory::MemoryLeases::default()));
        let app = App::new(service.as_str(), bus.clone()).state(scribe).dedupe(dedupe);
        let app = app.subscribe(record).subscribe(audit).subscribe(read).start().await.unwrap();
        Self { bus, app, seen, failing, queue: format!("{service}.record") }
    }

    /// What the subscribers were given, until so many of them came and nothing more does.
    async fn seen(&mut self, count: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        while seen.len() < count {
            seen.push(soon("what is handled", self.seen.recv()).await.unwrap());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        while let Ok(more) = self.seen.try_recv() {
            seen.push(more);
        }
        seen.sort_unstable();
        seen
    }

    fn replay(&self) -> Replay {
        self.replay_through(&self.bus)
    }

    fn replay_through(&self, bus: &Bus) -> Replay {
        let ended = BindingPattern::parse("annals.year.ended").unwrap();
        Replay::of(bus, &*self.queue).query(JournalQuery::all().pattern(ended))
    }

    async fn journal(&self) -> Vec<JournalEntry> {
        let journal = self.bus.stores().journal.expect("it has one");
        let query = JournalQuery::all().exchange(&**self.bus.exchange());
        journal.read(query, Position::Start).try_collect().await.unwrap()
    }
}

/// RabbitMQ with a journal of its own.
async fn journaled() -> Bus {
    let first = common::quorum().await;
    let settings = first.settings().clone();
    let switch = JournalSwitch::connect(&settings).await.unwrap();
    switch.enable(JournalRetention::new(Duration::from_secs(3600), 100_000_000), Duration::ZERO).await.unwrap();
    switch.close().await;
    Bus::connect(settings).await.unwrap()
}

async fn forget(bus: &Bus) {
    if bus.transport().system() == "rabbitmq" {
        let switch = JournalSwitch::connect(bus.settings()).await.unwrap();
        switch.disable(true).await.unwrap();
    }
    bus.close().await;
}

macro_rules! on_every_journal {
    ($($name:ident),* $(,)?) => {
        mod file {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(crate::common::file().await).await;
                }
            )*
        }
        mod stream {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    super::$name(super::journaled().await).await;
                }
            )*
        }
    };
}

on_every_journal! {
    one_subscriber_handles_the_events_again_and_nobody_else_does,
    a_replayed_event_that_fails_is_tried_again_as_part_of_its_replay,
    an_interrupted_replay_goes_on_where_it_was,
    a_failure_event_says_which_replay_led_to_it,
    what_cannot_be_published_is_tried_again_together,
}

/// Published once, replayed twice.
async fn one_subscriber_handles_the_events_again_and_nobody_else_does(bus: Bus) {
    let mut bench = Bench::on(bus).await;
    for year in [1, 2, 3] {
        bench.bus.publish(Ended { year }).await.unwrap();
    }
    let first = bench.seen(9).await;
    let all = |who| [1, 2, 3].map(|year| (who, year, None));
    assert_eq!(first, [all("audit"), all("read"), all("record")].concat());
    let plan = bench.replay().plan().await.unwrap();
    assert_eq!((plan.events, plan.types), (3, BTreeMap::from([("annals.year.ended".to_owned(), 3)])));
    assert_eq!(bench.seen(0).await, [], "a plan sends nothing");
    let ids = async |bench: &Bench, key: &str| -> Vec<Uuid> {
        let entries = bench.journal().await.into_iter().filter(|entry| entry.event_type() == key);
        entries.map(|entry| entry.event_id().unwrap()).collect()
    };
    let recorded = ids(&bench, "annals.year.recorded").await;
    let mut replays = Vec::new();
    for round in 1..=2 {
        let replay = bench.replay();
        let id = replay.id();
        let done = soon("the replay", replay.start().finished()).await.unwrap();
        assert_eq!((done.state, done.sent, done.id), (ReplayState::Done, 3, id));
        let again = bench.seen(6).await;
        let all = |who| [1, 2, 3].map(|year| (who, year, Some(id)));
        assert_eq!(again, [all("read"), all("record")].concat(), "round {round}");
        replays.push(id.to_string());
    }
    // What it led to has the ids of the first time, and says where it comes from.
    let after = bench.journal().await;
    let follow_ups: Vec<_> = after.iter().filter(|entry| entry.event_type() == "annals.year.recorded").collect();
    assert_eq!(follow_ups.len(), 9);
    for (round, entries) in follow_ups.chunks(3).enumerate() {
        let mut known: Vec<_> = entries.iter().map(|entry| entry.event_id().unwrap()).collect();
        let mut first = recorded.clone();
        known.sort_unstable();
        first.sort_unstable();
        assert_eq!(known, first, "round {round}");
        for entry in entries {
            let named = entry.message.properties.headers.text(names::REPLAY);
            assert_eq!(named, round.checked_sub(1).map(|replay| replays[replay].as_str()));
        }
    }
    // It is not replayed in turn.
    let recorded = BindingPattern::parse("annals.year.recorded").unwrap();
    let plan = bench.replay().query(JournalQuery::all().pattern(recorded)).plan().await.unwrap();
    assert_eq!(plan.events, 3, "those of the first time alone");
    let everything: Vec<_> = bench.replay().query(JournalQuery::all()).plan().await.into_iter().collect();
    assert_eq!(everything[0].events, 6);
    bench.app.shutdown().await.unwrap();
    forget(&bench.bus).await;
}

async fn a_replayed_event_that_fails_is_tried_again_as_part_of_its_replay(bus: Bus) {
    let mut bench = Bench::on(bus).await;
    bench.bus.publish(Ended { year: 7 }).await.unwrap();
    bench.seen(3).await;
    bench.failing.store(1, SeqCst);
    let replay = bench.replay();
    let id = replay.id();
    soon("the replay", replay.start().finished()).await.unwrap();
    assert_eq!(bench.seen(2).await, [("read", 7, Some(id)), ("record", 7, Some(id))]);
    bench.app.shutdown().await.unwrap();
    forget(&bench.bus).await;
}

async fn an_interrupted_replay_goes_on_where_it_was(bus: Bus) {
    let mut bench = Bench::on(bus).await;
    for year in 0..40 {
        bench.bus.publish(Ended { year }).await.unwrap();
    }
    bench.seen(120).await;
    let begun = Instant::now();
    let running = bench.replay().rate(50).start();
    let mut progress = running.progress();
    let at_least_ten = |progress: &ReplayProgress| progress.sent >= 10;
    soon("ten events", progress.wait_for(at_least_ten)).await.unwrap();
    running.cancellation().cancel();
    let stopped = soon("its end", running.finished()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(150), "fifty a second: {:?}", begun.elapsed());
    assert_eq!(stopped.state, ReplayState::Cancelled);
    assert!(stopped.sent < 40 && stopped.fraction() > 0.0 && stopped.fraction() < 1.0, "{stopped:?}");
    // What is published later is no part of it, as on a disk that was written before a kill.
    bench.bus.publish(Ended { year: 99 }).await.unwrap();
    let kept = serde_json::to_string(&stopped).unwrap();
    let resumed = bench.replay().resume(&serde_json::from_str(&kept).unwrap()).start();
    let done = soon("its end", resumed.finished()).await.unwrap();
    assert_eq!((done.state, done.sent, done.id, done.fraction()), (ReplayState::Done, 40, stopped.id, 1.0));
    let seen = bench.seen(3 + 80).await;
    let again: Vec<_> = seen.iter().filter(|(who, _, replay)| *who == "record" && replay.is_some()).collect();
    assert_eq!(again.len(), 40, "each once, none missing");
    bench.app.shutdown().await.unwrap();
    forget(&bench.bus).await;
}

/// Each by itself would wait for those before it.
async fn what_cannot_be_published_is_tried_again_together(bus: Bus) {
    const EVENTS: u32 = 30;
    let mut bench = Bench::on(bus.clone()).await;
    for year in 0..EVENTS {
        bench.bus.publish(Ended { year }).await.unwrap();
    }
    bench.seen(3 * EVENTS as usize).await;
    let (attempts, is_shut) = (Arc::new(Mutex::new(BTreeMap::new())), Arc::new(AtomicBool::new(true)));
    let decide = {
        let (attempts, is_shut) = (Arc::clone(&attempts), Arc::clone(&is_shut));
        move |message: &Outgoing| {
            *attempts.lock().unwrap().entry(message.properties.message_id).or_insert(0) += 1;
            match is_shut.load(SeqCst) {
                true => Fate::Refused(bloodbank::Error::new(ErrorKind::Refused, "not now")),
                false => Fate::Published,
            }
        }
    };
    let running = bench.replay_through(&intercepted(&bus, decide).await).start();
    soon("a third attempt for each of them", async {
        let is_tried = || {
            let attempts = attempts.lock().unwrap();
            attempts.len() == EVENTS as usize && attempts.values().all(|attempts| *attempts > 2)
        };
        while !is_tried() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(running.progress().borrow().trouble.as_deref().is_some_and(|trouble| trouble.contains("not now")));
    is_shut.store(false, SeqCst);
    let done = soon("its end", running.finished()).await.unwrap();
    assert_eq!((done.state, done.sent, done.trouble), (ReplayState::Done, u64::from(EVENTS), None));
    assert_eq!(bench.seen(2 * EVENTS as usize).await.len(), 2 * EVENTS as usize);
    bench.app.shutdown().await.unwrap();
    forget(&bench.bus).await;
}

async fn a_failure_event_says_which_replay_led_to_it(bus: Bus) {
    let service = bloodbank_harness::unique("annals");
    let app = App::new(service.as_str(), bus.clone()).subscribe(find).start().await.unwrap();
    let failures = async |count: usize| loop {
        let query = JournalQuery::all().pattern(BindingPattern::parse("annals.page.failed").unwrap());
        let query = query.exchange(&**bus.exchange());
        let journal = bus.stores().journal.unwrap();
        let found: Vec<JournalEntry> = journal.read(query, Position::Start).try_collect().await.unwrap();
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    bus.publish(Lost { page: 1 }).await.unwrap();
    soon("its failure", failures(1)).await;
    let lost = BindingPattern::parse("annals.page.lost").unwrap();
    let replay = Replay::of(&bus, format!("{service}.find")).query(JournalQuery::all().pattern(lost));
    let id = replay.id().to_string();
    soon("the replay", replay.start().finished()).await.unwrap();
    let found = soon("its failure again", failures(2)).await;
    let named: Vec<_> = found.iter().map(|entry| entry.message.properties.headers.text(names::REPLAY)).collect();
    assert_eq!(named, [None, Some(id.as_str())]);
    app.shutdown().await.unwrap();
    forget(&bus).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_replayed_is_said_before_anything_is_sent() {
    let bus = common::file().await;
    let error = Replay::of(&bus, "annals.misspelt").plan().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    assert!(error.to_string().starts_with("there is no queue `annals.misspelt`"), "{error}");
    let running = Replay::of(&bus, "annals.misspelt").start();
    let progress = running.progress();
    running.finished().await.unwrap_err();
    assert_eq!((progress.borrow().state, progress.borrow().sent), (ReplayState::Failed, 0));
    let bench = Bench::on(common::memory().await).await;
    let error = bench.replay().plan().await.unwrap_err();
    assert!(error.to_string().contains("keeps no journal") && error.to_string().contains("EMBEDDED_PATH"), "{error}");
}
