//! `dedupe(within = …)` on every bus: what was handled is not handled again, and nothing is ever skipped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::common::soon;
use bloodbank::{
    DeadLetters, ErrorKind, Result, RunningApp,
    dedupe::{Dedupe, OnOutage},
    message::{Outgoing, names},
    prelude::*,
    store::{
        Acquired, LeaseKey, LeaseStore,
        memory::MemoryLeases,
        redis::{RedisConnection, RedisLeases},
    },
    transport::topology::DELIVERY_LIMIT,
};
use bloodbank_harness::{Redis, shared_redis_url, unique};
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

on_every_bus! {
    what_was_handled_is_not_handled_again,
    a_duplicate_of_what_is_being_handled_waits_and_uses_up_no_attempt,
    what_failed_is_tried_again,
    a_lease_of_somebody_who_died_ends,
    a_lease_that_ends_in_the_handler_leads_to_a_second_call_and_to_no_third,
    what_kills_its_consumer_again_and_again_is_parked_in_the_end,
    a_handler_may_set_the_mark_itself,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "bank.money.moved")]
struct Moved {
    cents: u32,
}

type Seen = mpsc::UnboundedSender<(u32, u32, bool)>;

/// Handlers wait for it, while it is closed.
#[derive(Clone, Default)]
struct Gate(Arc<(AtomicBool, Notify)>);

impl Gate {
    fn close(&self) {
        self.0.0.store(true, Ordering::SeqCst);
    }

    fn open(&self) {
        self.0.0.store(false, Ordering::SeqCst);
        self.0.1.notify_waiters();
    }

    async fn pass(&self) {
        loop {
            let opened = self.0.1.notified();
            tokio::pin!(opened);
            opened.as_mut().enable();
            if !self.0.0.load(Ordering::SeqCst) {
                return;
            }
            opened.await;
        }
    }
}

/// So many attempts fail.
#[derive(Clone, Default)]
struct Failing(Arc<AtomicU32>);

#[subscriber(dedupe(within = "24h"), concurrency = 4, retry(max_attempts = 3, backoff = "250ms"))]
async fn book(
    moved: Moved,
    context: Context,
    State(seen): State<Seen>,
    State(gate): State<Gate>,
    State(failing): State<Failing>,
) -> Result<(), std::io::Error> {
    seen.send((moved.cents, context.attempt(), context.may_be_duplicate())).unwrap();
    gate.pass().await;
    let fails = failing.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    if fails { Err(std::io::Error::other("not yet")) } else { Ok(()) }
}

struct Bank {
    bus: Bus,
    queue: String,
    store: Arc<dyn LeaseStore>,
    gate: Gate,
    failing: Failing,
    calls: mpsc::UnboundedReceiver<(u32, u32, bool)>,
    app: RunningApp,
}

impl Bank {
    async fn open(bus: Bus) -> Self {
        let store = store_of(&bus).await;
        Self::in_store(bus, store).await
    }

    async fn in_store(bus: Bus, store: Arc<dyn LeaseStore>) -> Self {
        let lease = Duration::from_secs(2);
        Self::with(bus, Dedupe::in_store(Arc::clone(&store)).lease(lease), store).await
    }

    async fn with(bus: Bus, dedupe: Dedupe, store: Arc<dyn LeaseStore>) -> Self {
        let service = unique("bank");
        let (seen, calls) = mpsc::unbounded_channel();
        let (gate, failing) = (Gate::default(), Failing::default());
        let app = App::new(&*service, bus.clone())
            .state(seen)
            .state(gate.clone())
            .state(failing.clone())
            .dedupe(dedupe)
            .subscribe(book)
            .start()
            .await
            .unwrap();
        Self { bus, queue: format!("{service}.book"), store, gate, failing, calls, app }
    }

    async fn publish(&self, cents: u32, id: Uuid) {
        self.bus.publish(Moved { cents }).event_id(id).await.unwrap();
    }

    async fn call(&mut self) -> (u32, u32, bool) {
        soon("a call", self.calls.recv()).await.unwrap()
    }

    /// What was published until now is settled when this comes through.
    async fn barrier(&mut self, cents: u32) {
        self.publish(cents, Uuid::new_v4()).await;
        assert_eq!(self.call().await.0, cents, "nothing else is handled before");
    }

    fn key(&self, event_id: Uuid) -> LeaseKey {
        LeaseKey { queue: self.queue.as_str().into(), event_id }
    }

    async fn until(&self, event_id: Uuid, state: Acquired) {
        let (key, token) = (self.key(event_id), Uuid::new_v4());
        soon("the mark", async {
            while self.store.acquire(&key, token, Duration::from_millis(1)).await.unwrap() != state {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }
}

/// The bus's own store, or one in Redis.
async fn store_of(bus: &Bus) -> Arc<dyn LeaseStore> {
    if let Some(store) = bus.stores().leases {
        return store;
    }
    let url = tokio::task::spawn_blocking(shared_redis_url).await.unwrap();
    Arc::new(RedisLeases::new(RedisConnection::new(&url.into()).unwrap()))
}

/// Its leases cannot be renewed: as of a process that stands still, or is cut off from the store, for longer than a lease.
struct Unrenewed(Arc<dyn LeaseStore>);

impl LeaseStore for Unrenewed {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn acquire<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<Acquired>> {
        self.0.acquire(key, token, lease)
    }

    fn renew<'a>(&'a self, _: &'a LeaseKey, _: Uuid, _: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async { Ok(false) })
    }

    fn finish<'a>(&'a self, key: &'a LeaseKey, token: Uuid, within: Duration) -> BoxFuture<'a, Result<bool>> {
        self.0.finish(key, token, within)
    }

    fn release<'a>(&'a self, key: &'a LeaseKey, token: Uuid) -> BoxFuture<'a, Result<()>> {
        self.0.release(key, token)
    }
}

async fn a_lease_that_ends_in_the_handler_leads_to_a_second_call_and_to_no_third(bus: Bus) {
    let store = Arc::new(Unrenewed(store_of(&bus).await));
    let mut bank = Bank::in_store(bus, store).await;
    let id = Uuid::new_v4();
    bank.gate.close();
    let begun = std::time::Instant::now();
    bank.publish(1, id).await;
    assert_eq!(bank.call().await, (1, 1, false));
    bank.publish(1, id).await;
    assert_eq!(bank.call().await, (1, 1, false), "the duplicate is not lost with the one who may never finish");
    assert!(begun.elapsed() > Duration::from_millis(1_900), "not before the lease has ended");
    bank.gate.open();
    bank.until(id, Acquired::Done).await;
    for _ in 0..5 {
        bank.publish(1, id).await;
    }
    bank.barrier(2).await;
    bank.app.shutdown().await.unwrap();
    assert!(bank.calls.try_recv().is_err());
    assert_eq!(DeadLetters::of(&bank.bus, bank.queue).count().await.unwrap(), 0);
}

async fn what_was_handled_is_not_handled_again(bus: Bus) {
    let mut bank = Bank::open(bus).await;
    let id = Uuid::new_v4();
    bank.publish(1, id).await;
    assert_eq!(bank.call().await, (1, 1, false));
    bank.until(id, Acquired::Done).await;
    for _ in 0..10 {
        bank.publish(1, id).await;
    }
    bank.barrier(2).await;
    bank.app.shutdown().await.unwrap();
    assert!(bank.calls.try_recv().is_err());
    assert_eq!(DeadLetters::of(&bank.bus, bank.queue).count().await.unwrap(), 0);
}

async fn a_duplicate_of_what_is_being_handled_waits_and_uses_up_no_attempt(bus: Bus) {
    let mut bank = Bank::open(bus).await;
    let id = Uuid::new_v4();
    bank.gate.close();
    bank.failing.0.store(1, Ordering::SeqCst);
    bank.publish(1, id).await;
    assert_eq!(bank.call().await.0, 1);
    for _ in 0..3 {
        bank.publish(1, id).await;
    }
    // Longer than the lease, which is renewed; the duplicates come back again and again.
    let nobody = tokio::time::timeout(Duration::from_secs(4), bank.calls.recv()).await;
    assert!(nobody.is_err(), "handled at the same time: {nobody:?}");
    bank.gate.open();
    // The first fails. One of the four is next, the others are duplicates of it.
    let (cents, attempt, _) = bank.call().await;
    assert!(cents == 1 && attempt <= 2, "attempt {attempt}");
    bank.until(id, Acquired::Done).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    bank.app.shutdown().await.unwrap();
    assert!(bank.calls.try_recv().is_err());
    assert_eq!(DeadLetters::of(&bank.bus, bank.queue).count().await.unwrap(), 0);
}

async fn what_failed_is_tried_again(bus: Bus) {
    let mut bank = Bank::open(bus).await;
    bank.failing.0.store(2, Ordering::SeqCst);
    let id = Uuid::new_v4();
    bank.publish(1, id).await;
    for attempt in 1..=3 {
        assert_eq!(bank.call().await, (1, attempt, false));
    }
    bank.until(id, Acquired::Done).await;
    // Given up for good, it can be redriven.
    bank.failing.0.store(3, Ordering::SeqCst);
    let id = Uuid::new_v4();
    bank.publish(2, id).await;
    for attempt in 1..=3 {
        assert_eq!(bank.call().await, (2, attempt, false));
    }
    let letters = DeadLetters::of(&bank.bus, bank.queue.as_str());
    soon("the dead letter", async {
        while letters.count().await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    letters.redrive(&Default::default(), bloodbank::dead_letter::Mode::Apply).await.unwrap();
    assert_eq!(bank.call().await, (2, 1, false));
    bank.app.shutdown().await.unwrap();
}

async fn a_lease_of_somebody_who_died_ends(bus: Bus) {
    let mut bank = Bank::open(bus).await;
    let id = Uuid::new_v4();
    // Somebody has begun it, and died.
    let key = bank.key(id);
    let lease = Duration::from_millis(1_500);
    let acquired = bank.store.acquire(&key, Uuid::new_v4(), lease).await.unwrap();
    assert_eq!(acquired, Acquired::Leased);
    let begun = std::time::Instant::now();
    bank.publish(1, id).await;
    assert_eq!(bank.call().await, (1, 1, false), "handled again, and the first attempt still");
    assert!(begun.elapsed() >= Duration::from_millis(1_000), "{:?}", begun.elapsed());
    bank.app.shutdown().await.unwrap();
}

async fn what_kills_its_consumer_again_and_again_is_parked_in_the_end(bus: Bus) {
    let mut bank = Bank::open(bus).await;
    let id = Uuid::new_v4();
    // A copy as it is after many deaths, while the lease of the last who died is still there.
    let key = bank.key(id);
    bank.store.acquire(&key, Uuid::new_v4(), Duration::from_secs(600)).await.unwrap();
    let letters = DeadLetters::of(&bank.bus, bank.queue.as_str());
    bank.gate.close();
    bank.publish(7, Uuid::new_v4()).await;
    assert_eq!(bank.call().await.0, 7);
    bank.gate.open();
    let mut message = soon("a copy", crate::common::take(&bank.bus, &copy_of(&bank, id).await, 1)).await.remove(0);
    message.properties.headers.set(names::RETURNED, i64::from(DELIVERY_LIMIT) + 1);
    let again = Outgoing::new("", bank.queue.as_str(), message.body).properties(message.properties).mandatory();
    bank.bus.transport().publish(again).await.unwrap();
    soon("the dead letter", async {
        while letters.count().await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let parked = letters.list(&Default::default()).await.unwrap();
    assert_eq!((parked[0].event_id, &*parked[0].reason), (Some(id), "delivery_limit"));
    assert!(parked[0].error.as_ref().unwrap().contains("died 21 times"), "{:?}", parked[0].error);
    bank.app.shutdown().await.unwrap();
}

/// A queue that holds a message of the event.
async fn copy_of(bank: &Bank, id: Uuid) -> String {
    use bloodbank::transport::{
        Topology,
        topology::{Binding, Queue},
    };
    let queue: Arc<str> = unique("copies").into();
    let binding = Binding {
        exchange: Arc::clone(bank.bus.exchange()),
        queue: Arc::clone(&queue),
        pattern: "bank.coin.found".into(),
    };
    let queues = vec![Queue::new(Arc::clone(&queue), bank.bus.settings().queue_kind)];
    bank.bus.transport().declare(Topology::default().queues(queues).bindings([binding])).await.unwrap();
    bank.bus.publish(Found { cents: 3 }).event_id(id).await.unwrap();
    queue.to_string()
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "bank.coin.found")]
struct Found {
    cents: u32,
}

/// Frozen, killed and back: with `open` everything is handled and says so, with `closed` everything waits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "bank.money.transferred")]
struct Transferred {
    /// The handler writes the mark, and not only says that it did.
    is_marked: bool,
}

/// Sets its mark as a handler does in the transaction of its effect.
#[subscriber(dedupe(within = "24h"))]
async fn transfer(
    transferred: Transferred,
    context: Context,
    State(store): State<Arc<dyn LeaseStore>>,
    State(calls): State<mpsc::UnboundedSender<Uuid>>,
) -> Result<()> {
    let mark = context.dedupe_mark().expect("the subscriber holds the lease");
    if transferred.is_marked {
        assert!(store.finish(mark.key(), mark.token(), mark.within()).await?);
    }
    mark.set_elsewhere();
    calls.send(context.event_id()).unwrap();
    Ok(())
}

async fn a_handler_may_set_the_mark_itself(bus: Bus) {
    let store = store_of(&bus).await;
    let (seen, mut calls) = mpsc::unbounded_channel();
    let app = App::new(unique("bank"), bus.clone()).state(Arc::clone(&store)).state(seen);
    let app = app.dedupe(Dedupe::in_store(store)).subscribe(transfer).start().await.unwrap();
    let (marked, unmarked) = (Uuid::new_v4(), Uuid::new_v4());
    for (id, is_marked) in [(marked, true), (marked, true), (unmarked, false), (unmarked, false)] {
        bus.publish(Transferred { is_marked }).event_id(id).await.unwrap();
    }
    let mut handled = Vec::new();
    for _ in 0..3 {
        handled.push(soon("a call", calls.recv()).await.unwrap());
    }
    // The subscriber sets no mark of its own: what was not marked is not recognised, and its lease is given up.
    assert_eq!(handled, [marked, unmarked, unmarked]);
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_follows_the_policy() {
    let redis = Arc::new(tokio::task::spawn_blocking(|| Redis::start().unwrap()).await.unwrap());
    let with = async |work: fn(&Redis)| {
        let redis = Arc::clone(&redis);
        tokio::task::spawn_blocking(move || work(&redis)).await.unwrap();
    };
    let store: Arc<dyn LeaseStore> = Arc::new(RedisLeases::new(RedisConnection::new(&redis.url().into()).unwrap()));
    let dedupe = Dedupe::in_store(Arc::clone(&store)).deadline(Duration::from_millis(300));
    let mut open = Bank::with(crate::common::memory().await, dedupe.clone(), Arc::clone(&store)).await;
    let mut closed = Bank::with(crate::common::memory().await, dedupe.on_outage(OnOutage::Closed), store).await;
    for freeze in [true, false] {
        if freeze {
            with(|redis| redis.pause().unwrap()).await;
        } else {
            with(|redis| redis.kill().unwrap()).await;
        }
        let ids = [(); 5].map(|()| Uuid::new_v4());
        let begun = std::time::Instant::now();
        for id in ids {
            open.publish(1, id).await;
            closed.publish(1, id).await;
        }
        for _ in ids {
            assert_eq!(open.call().await, (1, 1, true), "handled, and flagged");
        }
        println!("five events handled without the store within {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(closed.calls.try_recv().is_err(), "nothing is handled unchecked");
        if freeze {
            with(|redis| redis.resume().unwrap()).await;
        } else {
            with(|redis| redis.start_again().unwrap()).await;
        }
        for _ in ids {
            assert_eq!(closed.call().await, (1, 1, false), "handled when the store is back, the first attempt still");
        }
        // Those that wait are over.
        for id in ids {
            closed.until(id, Acquired::Done).await;
        }
    }
    open.app.shutdown().await.unwrap();
    closed.app.shutdown().await.unwrap();
}

#[tokio::test]
async fn rabbitmq_without_a_store_is_an_error_at_start_up() {
    let bus = crate::common::quorum().await;
    let (seen, _calls) = mpsc::unbounded_channel::<(u32, u32, bool)>();
    let app = |bus: &Bus| {
        let app = App::new(unique("bank"), bus.clone()).state(seen.clone()).state(Gate::default());
        app.state(Failing::default())
    };
    let error = app(&bus).subscribe(book).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(error.to_string().contains("REDIS_URL"), "{error}");
    let memory = Dedupe::in_store(Arc::new(MemoryLeases::default()));
    app(&bus).dedupe(memory).subscribe(book).start().await.unwrap().shutdown().await.unwrap();
}
