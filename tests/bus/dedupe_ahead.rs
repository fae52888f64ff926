//! Leases that are acquired ahead, while the events before are handled.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bloodbank::{
    Result, RunningApp,
    dedupe::Dedupe,
    prelude::*,
    store::{Acquired, LeaseKey, LeaseStore, memory::MemoryLeases},
};
use bloodbank_harness::unique;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::common::soon;

on_every_bus! { the_order_is_kept_and_a_stop_leaves_nothing_leased }

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "bank.coin.counted")]
struct Counted {
    number: u32,
}

/// A store that takes its time, counts how many ask it at once, and may be in the hands of the handler.
struct Store {
    leases: MemoryLeases,
    asking: AtomicUsize,
    most: AtomicUsize,
    /// Keys that are leased and neither done nor given back.
    held: Mutex<HashSet<Uuid>>,
    /// Whether the handler has the connection of the store.
    is_taken: AtomicBool,
}

impl Store {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            leases: MemoryLeases::default(),
            asking: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            held: Mutex::default(),
            is_taken: AtomicBool::new(false),
        })
    }

    fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

impl LeaseStore for Store {
    fn describe(&self) -> String {
        "a store of the test".to_owned()
    }

    fn acquire<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<Acquired>> {
        Box::pin(async move {
            self.most.fetch_max(self.asking.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            while self.is_taken.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            self.asking.fetch_sub(1, Ordering::SeqCst);
            let acquired = self.leases.acquire(key, token, lease).await?;
            if acquired == Acquired::Leased {
                self.held.lock().unwrap().insert(key.event_id);
            }
            Ok(acquired)
        })
    }

    fn renew<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<bool>> {
        self.leases.renew(key, token, lease)
    }

    fn finish<'a>(&'a self, key: &'a LeaseKey, token: Uuid, within: Duration) -> BoxFuture<'a, Result<bool>> {
        self.held.lock().unwrap().remove(&key.event_id);
        self.leases.finish(key, token, within)
    }

    fn release<'a>(&'a self, key: &'a LeaseKey, token: Uuid) -> BoxFuture<'a, Result<()>> {
        self.held.lock().unwrap().remove(&key.event_id);
        self.leases.release(key, token)
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<(u32, bool)>>>);

impl Log {
    fn numbers(&self) -> Vec<u32> {
        self.0.lock().unwrap().iter().map(|(number, _)| *number).collect()
    }
}

/// What the handler does besides.
#[derive(Clone, Default)]
struct Manner {
    /// Each call takes so long.
    pause: Duration,
    /// From this number on it waits to be stopped.
    stops_at: Option<u32>,
    /// It takes the only connection of the store, for so long, at this number.
    takes: Option<(u32, Duration)>,
    stopped: Arc<AtomicBool>,
}

#[subscriber(dedupe(within = "24h"))]
async fn count(
    counted: Counted,
    context: Context,
    State(log): State<Log>,
    State(manner): State<Manner>,
    State(store): State<Arc<Store>>,
) {
    log.0.lock().unwrap().push((counted.number, context.may_be_duplicate()));
    if !manner.pause.is_zero() {
        tokio::time::sleep(manner.pause).await;
    }
    if let Some((number, time)) = manner.takes
        && number == counted.number
    {
        store.is_taken.store(true, Ordering::SeqCst);
        tokio::time::sleep(time).await;
        store.is_taken.store(false, Ordering::SeqCst);
    }
    if manner.stops_at.is_some_and(|number| counted.number >= number) {
        manner.stopped.store(true, Ordering::SeqCst);
        context.cancellation().cancelled().await;
    }
}

async fn open(bus: &Bus, store: &Arc<Store>, manner: Manner, dedupe: Dedupe) -> (Log, RunningApp) {
    open_as(&unique("mint"), bus, store, manner, dedupe).await
}

async fn open_as(service: &str, bus: &Bus, store: &Arc<Store>, manner: Manner, dedupe: Dedupe) -> (Log, RunningApp) {
    let log = Log::default();
    let app = App::new(service, bus.clone())
        .state(log.clone())
        .state(manner)
        .state(Arc::clone(store))
        .dedupe(dedupe)
        .subscribe(count);
    (log, app.start().await.unwrap())
}

/// The same in lanes: each is a worker of its own.
#[subscriber(dedupe(within = "24h"), concurrency = 4, ordered_by(parity))]
async fn count_in_lanes(counted: Sorted, State(log): State<Log>) {
    log.0.lock().unwrap().push((counted.number, counted.parity == 1));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "bank.coin.sorted")]
struct Sorted {
    number: u32,
    parity: u32,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_lane_asks_ahead_and_keeps_its_order() {
    let (bus, store, log) = (Bus::embedded(), Store::new(), Log::default());
    let app = App::new(&*unique("mint"), bus.clone())
        .state(log.clone())
        .dedupe(Dedupe::in_store(Arc::clone(&store) as _))
        .subscribe(count_in_lanes);
    let app = app.start().await.unwrap();
    let all = (0..400).map(|number| bus.publish(Sorted { number, parity: number % 2 }).into_future());
    for published in futures_util::future::join_all(all).await {
        published.unwrap();
    }
    until("all are handled", || log.numbers().len() == 400).await;
    app.shutdown().await.unwrap();
    assert!(store.most() > 4, "{} asked at once", store.most());
    let log = log.0.lock().unwrap().clone();
    for parity in [false, true] {
        let lane: Vec<_> = log.iter().filter(|(_, is_odd)| *is_odd == parity).map(|(number, _)| *number).collect();
        assert!(lane.len() == 200 && lane.is_sorted(), "{lane:?}");
    }
    assert!(store.held.lock().unwrap().is_empty());
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let polled = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(what, polled).await;
}

async fn publish(bus: &Bus, numbers: u32) {
    let all = (0..numbers).map(|number| bus.publish(Counted { number }).into_future());
    for published in futures_util::future::join_all(all).await {
        published.unwrap();
    }
}

async fn the_order_is_kept_and_a_stop_leaves_nothing_leased(bus: Bus) {
    let store = Store::new();
    let manner = Manner { stops_at: Some(100), ..Manner::default() };
    let (log, app) = open(&bus, &store, manner.clone(), Dedupe::in_store(Arc::clone(&store) as _)).await;
    publish(&bus, 300).await;
    until("the handler waits", || manner.stopped.load(Ordering::SeqCst)).await;
    // Mostly 32; a handler that this machine holds up for a moment is asked at its turn.
    assert!((2..=33).contains(&store.most()), "{} asked at once", store.most());
    app.shutdown().await.unwrap();
    let held = store.held.lock().unwrap().len();
    assert_eq!(held, 0, "whoever gets the others finds them free");
    assert_eq!(log.numbers(), (0..=100).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_takes_its_time_leaves_the_others_free() {
    let (bus, store) = (Bus::embedded(), Store::new());
    let manner = Manner { pause: Duration::from_millis(30), ..Manner::default() };
    let (log, app) = open(&bus, &store, manner, Dedupe::in_store(Arc::clone(&store) as _)).await;
    publish(&bus, 12).await;
    until("all are handled", || log.numbers().len() == 12).await;
    assert_eq!(store.most(), 1);
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_holds_what_the_store_needs_is_no_outage() {
    let (bus, store) = (Bus::embedded(), Store::new());
    let manner = Manner { takes: Some((20, Duration::from_millis(700))), ..Manner::default() };
    let dedupe = Dedupe::in_store(Arc::clone(&store) as _).deadline(Duration::from_millis(200));
    let (log, app) = open(&bus, &store, manner, dedupe).await;
    publish(&bus, 60).await;
    until("all are handled", || log.numbers().len() == 60).await;
    let log = log.0.lock().unwrap().clone();
    assert!(log.iter().all(|(_, may_be_duplicate)| !may_be_duplicate), "{log:?}");
    app.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ended_before_its_turn_is_acquired_again() {
    let (bus, store) = (Bus::embedded(), Store::new());
    let manner = Manner { takes: Some((20, Duration::from_secs(2))), ..Manner::default() };
    let service = unique("mint");
    let lease = Duration::from_millis(300);
    let (log, app) =
        open_as(&service, &bus, &store, manner, Dedupe::in_store(Arc::clone(&store) as _).lease(lease)).await;
    let ids: Vec<Uuid> = (0..40).map(|_| Uuid::new_v4()).collect();
    for (number, id) in (0..).zip(&ids) {
        bus.publish(Counted { number }).event_id(*id).await.unwrap();
    }
    until("the handler waits", || log.numbers().len() == 21).await;
    // Meanwhile somebody else handles one of those whose leases were acquired ahead.
    let (key, other) = (LeaseKey { queue: format!("{service}.count").into(), event_id: ids[25] }, Uuid::new_v4());
    let free = async {
        while store.leases.acquire(&key, other, Duration::from_secs(60)).await.unwrap() != Acquired::Leased {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("the lease ends", free).await;
    assert!(store.leases.finish(&key, other, Duration::from_secs(60)).await.unwrap());
    until("all are handled", || log.numbers().last() == Some(&39)).await;
    assert_eq!(log.numbers(), (0..40).filter(|number| *number != 25).collect::<Vec<_>>());
    app.shutdown().await.unwrap();
}
