//! One consumer for all streams.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bloodbank_core::{
    Bus, Result,
    routing::{PatternTrie, matches},
    transport::{
        ConnectionState, Deliveries, Incoming, Topology,
        topology::{Binding, Queue, QueueKind},
    },
};
use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tracing::warn;
use uuid::Uuid;

use super::{recent::Recent, seen::Seen};

/// So many events, and so many bytes of them, wait for a stream whose client reads slowly; then it is ended.
const PATIENCE: usize = 1024;
const PATIENCE_BYTES: usize = 32 * 1024 * 1024;
const PREFETCH: u16 = 512;

/// Takes every event once from the bus and hands it to the streams that want it. Consumes from the first of them on.
pub(crate) struct Hub {
    bus: Bus,
    queue: Arc<str>,
    bindings: Vec<Arc<str>>,
    streams: Arc<Mutex<Streams>>,
    /// One start at a time.
    starting: tokio::sync::Mutex<()>,
}

struct Streams {
    recent: Recent,
    /// How the connection is that the events come over; `None` where there is none that can be lost.
    connection: Option<watch::Receiver<ConnectionState>>,
    wanted: PatternTrie<u64>,
    senders: HashMap<u64, Sender>,
    next: u64,
    is_consuming: bool,
}

impl Streams {
    /// Forgets the recent events where the connection was lost since they came: its queue was lost with it, and there may be
    /// events after them that nobody here saw.
    fn forget_where_broken(&mut self) {
        if let Some(connection) =
            self.connection.as_mut().filter(|connection| connection.has_changed().unwrap_or(false))
        {
            connection.mark_unchanged();
            self.recent.clear();
        }
    }
}

/// Where a stream gets its events from, and how many bytes of them wait.
struct Sender {
    events: mpsc::Sender<Arc<Seen>>,
    waiting: Arc<AtomicUsize>,
}

impl Sender {
    /// False when the stream is too slow.
    fn send(&self, seen: &Arc<Seen>) -> bool {
        let waiting = self.waiting.fetch_add(seen.body.len(), Ordering::Relaxed);
        waiting <= PATIENCE_BYTES && self.events.try_send(Arc::clone(seen)).is_ok()
    }
}

/// The live events of one stream. Ends when its client is too slow for them, or the bus was closed.
pub(crate) struct Live {
    events: mpsc::Receiver<Arc<Seen>>,
    waiting: Arc<AtomicUsize>,
    number: u64,
    streams: Arc<Mutex<Streams>>,
}

/// What a stream missed since an event; `None` where that is not known.
pub(crate) type Missed = Option<Vec<Arc<Seen>>>;

impl Hub {
    /// Of the events that match these patterns; `recent` holds the last of them.
    pub(crate) fn new(bus: &Bus, bindings: impl IntoIterator<Item = String>, recent: Recent) -> Self {
        let connections = bus.transport().connections().into_iter();
        let mut consuming = connections.filter(|connection| connection.name == "consume");
        let streams = Streams {
            recent,
            connection: consuming.next().map(|connection| connection.state),
            wanted: PatternTrie::new(),
            senders: HashMap::new(),
            next: 0,
            is_consuming: false,
        };
        Self {
            bindings: bindings.into_iter().map(Arc::from).collect(),
            bus: bus.clone(),
            queue: format!("bloodbank.gateway.{}", Uuid::new_v4()).into(),
            streams: Arc::new(Mutex::new(streams)),
            starting: tokio::sync::Mutex::new(()),
        }
    }

    /// The events that match one of these patterns: all that came after `last`, where that is one of the recent ones, and
    /// those from now on. Nothing falls between the two.
    pub(crate) async fn subscribe(&self, patterns: &[String], last: Option<Uuid>) -> Result<(Missed, Live)> {
        let _starting = self.starting.lock().await;
        let subscribed = self.add(patterns, last);
        let is_consuming = lock(&self.streams).is_consuming;
        if !is_consuming {
            let deliveries = self.consume().await?;
            lock(&self.streams).is_consuming = true;
            tokio::spawn(run(Arc::clone(&self.streams), deliveries));
        }
        Ok(subscribed)
    }

    fn add(&self, patterns: &[String], last: Option<Uuid>) -> (Missed, Live) {
        let (sender, events) = mpsc::channel(PATIENCE);
        let waiting = Arc::<AtomicUsize>::default();
        let mut streams = lock(&self.streams);
        streams.forget_where_broken();
        let number = streams.next;
        streams.next += 1;
        for pattern in patterns {
            streams.wanted.insert(pattern, number);
        }
        streams.senders.insert(number, Sender { events: sender, waiting: Arc::clone(&waiting) });
        let is_wanted = |seen: &&Arc<Seen>| patterns.iter().any(|pattern| matches(pattern, &seen.key));
        let missed = last.and_then(|last| Some(streams.recent.after(last)?.filter(is_wanted).cloned().collect()));
        (missed, Live { events, waiting, number, streams: Arc::clone(&self.streams) })
    }

    async fn consume(&self) -> Result<Deliveries> {
        let exchange = Arc::clone(self.bus.exchange());
        let transport = self.bus.transport();
        let bindings = self.bindings.iter().map(|pattern| Binding {
            exchange: Arc::clone(&exchange),
            queue: Arc::clone(&self.queue),
            pattern: Arc::clone(pattern),
        });
        let topology = Topology {
            queues: vec![Queue::new(Arc::clone(&self.queue), QueueKind::Transient)],
            bindings: bindings.collect(),
            ..Topology::default()
        };
        transport.declare(topology).await?;
        transport.consume(Arc::clone(&self.queue), PREFETCH).await
    }
}

async fn run(streams: Arc<Mutex<Streams>>, mut deliveries: Deliveries) {
    while let Some(delivery) = deliveries.next().await {
        hand_out(&streams, &delivery.message);
        delivery.ack();
    }
    // The bus was closed.
    let mut streams = lock(&streams);
    streams.recent.clear();
    streams.senders.clear();
    streams.wanted = PatternTrie::new();
    streams.is_consuming = false;
}

/// Hands an event to every stream that wants it.
fn hand_out(streams: &Mutex<Streams>, message: &Incoming) {
    let mut streams = lock(streams);
    if streams.senders.is_empty() && streams.recent.is_off() {
        return;
    }
    let seen = Arc::new(Seen::of(message));
    streams.forget_where_broken();
    streams.recent.push(&seen);
    let mut numbers = Vec::new();
    streams.wanted.for_each_match(&seen.key, |number| numbers.push(*number));
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        let Some(sender) = streams.senders.get(&number) else { continue };
        if !sender.send(&seen) {
            warn!(stream = number, "a stream is ended: its client is too slow, and can resume");
            streams.senders.remove(&number);
        }
    }
}

impl Live {
    /// The next event; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Arc<Seen>> {
        let seen = self.events.recv().await?;
        self.waiting.fetch_sub(seen.body.len(), Ordering::Relaxed);
        Some(seen)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let mut streams = lock(&self.streams);
        streams.senders.remove(&self.number);
        let number = self.number;
        streams.wanted.retain(|other| *other != number);
    }
}

fn lock(streams: &Mutex<Streams>) -> MutexGuard<'_, Streams> {
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}
