//! One consumer for all streams.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bloodbank_core::{
    Bus, Result,
    routing::{PatternTrie, matches},
    settings::QueueKind,
    transport::{
        ConnectionState, Deliveries, Delivery, Topology,
        topology::{Binding, Queue},
    },
};
use futures_util::StreamExt;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tracing::warn;
use uuid::Uuid;

use super::{recent::Recent, seen::Seen};

/// So many events, and so many bytes of them, wait for a stream whose client reads slowly; then it is ended.
const PATIENCE: usize = 1024;
const PATIENCE_BYTES: usize = 32 * 1024 * 1024;
const PREFETCH: u16 = 512;
/// How long the queue waits for a gateway whose connection was lost, and gathers events for one that will not come back.
const EXPIRES: Duration = Duration::from_secs(180);
/// A connection that was lost for longer may have lost the queue too: the broker may have noticed earlier.
const BRIDGED: Duration = Duration::from_secs(60);

/// Takes every event once from the bus and hands it to the streams that want it. Consumes from the first of them on.
///
/// Its queue outlives a connection that is lost, and a broker that starts again: streams get what was published meanwhile.
pub(crate) struct Hub {
    bus: Bus,
    queue: Arc<str>,
    bindings: Vec<Arc<str>>,
    /// How the connection is that the events come over; `None` where there is none that can be lost.
    connection: Option<watch::Receiver<ConnectionState>>,
    streams: Arc<Mutex<Streams>>,
    /// One start at a time.
    starting: tokio::sync::Mutex<()>,
}

struct Streams {
    recent: Recent,
    wanted: PatternTrie<u64>,
    senders: HashMap<u64, Sender>,
    next: u64,
    is_consuming: bool,
}

impl Streams {
    /// Ends all of them, and forgets the recent events: there may be others after them that nobody here saw. A client that
    /// resumes is told so.
    fn end(&mut self) {
        self.recent.clear();
        self.senders.clear();
        self.wanted = PatternTrie::new();
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
        let streams =
            Streams { recent, wanted: PatternTrie::new(), senders: HashMap::new(), next: 0, is_consuming: false };
        Self {
            bindings: bindings.into_iter().map(Arc::from).collect(),
            bus: bus.clone(),
            connection: consuming.next().map(|connection| connection.state),
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
            tokio::spawn(run(Arc::clone(&self.streams), deliveries, self.connection.clone()));
        }
        Ok(subscribed)
    }

    fn add(&self, patterns: &[String], last: Option<Uuid>) -> (Missed, Live) {
        let (sender, events) = mpsc::channel(PATIENCE);
        let waiting = Arc::<AtomicUsize>::default();
        let mut streams = lock(&self.streams);
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
        let queue = Queue::new(Arc::clone(&self.queue), QueueKind::Transient);
        let queue = match self.connection {
            // Not a replicated one, which would make every publisher wait for what only streams read.
            Some(_) => Queue { kind: QueueKind::Classic, expires: Some(EXPIRES), ..queue },
            None => queue,
        };
        let topology = Topology { queues: vec![queue], bindings: bindings.collect(), ..Topology::default() };
        transport.declare(topology).await?;
        transport.consume(Arc::clone(&self.queue), PREFETCH).await
    }
}

async fn run(
    streams: Arc<Mutex<Streams>>,
    mut deliveries: Deliveries,
    connection: Option<watch::Receiver<ConnectionState>>,
) {
    let handing_out = async {
        while let Some(delivery) = deliveries.next().await {
            hand_out(&streams, &delivery);
            delivery.ack();
        }
    };
    let watching = async {
        if let Some(connection) = connection {
            watch_for_gaps(&streams, connection, BRIDGED).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        () = watching => {}
        () = handing_out => {}
    }
    // The bus was closed.
    let mut streams = lock(&streams);
    streams.end();
    streams.is_consuming = false;
}

/// Ends the streams where the connection was lost for longer than the queue is sure to have waited.
async fn watch_for_gaps(streams: &Mutex<Streams>, mut connection: watch::Receiver<ConnectionState>, bridged: Duration) {
    let mut lost: Option<Instant> = None;
    loop {
        let is_there = matches!(*connection.borrow_and_update(), ConnectionState::Up | ConnectionState::Blocked);
        if !is_there {
            lost.get_or_insert_with(Instant::now);
        } else if lost.take().is_some_and(|lost| lost.elapsed() > bridged) {
            warn!("streams are ended: the connection was lost for so long that events may be missing");
            lock(streams).end();
        }
        if connection.changed().await.is_err() {
            return;
        }
    }
}

/// Hands an event to every stream that wants it.
fn hand_out(streams: &Mutex<Streams>, delivery: &Delivery) {
    let mut streams = lock(streams);
    if streams.senders.is_empty() && streams.recent.is_off() {
        return;
    }
    let seen = Arc::new(Seen::of(&delivery.message));
    // What was handed out, but not acknowledged when the connection was lost.
    if delivery.redelivered && seen.event_id.is_some_and(|id| streams.recent.has(id)) {
        return;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn streams_end_where_the_queue_may_be_gone() {
        let bridged = Duration::from_millis(500);
        let hub = Hub::new(&Bus::embedded(), ["#".to_owned()], Recent::new(9, 99));
        let (state, connection) = watch::channel(ConnectionState::Up);
        let streams = Arc::clone(&hub.streams);
        tokio::spawn(async move { watch_for_gaps(&streams, connection, bridged).await });
        let (_, mut live) = hub.subscribe(&["#".to_owned()], None).await.unwrap();
        let lose = async |time| {
            state.send(ConnectionState::Down).unwrap();
            tokio::time::sleep(time).await;
            state.send(ConnectionState::Up).unwrap();
        };
        lose(Duration::from_millis(10)).await;
        assert!(tokio::time::timeout(Duration::from_millis(100), live.next()).await.is_err(), "it ended for nothing");
        lose(bridged * 2).await;
        let end = tokio::time::timeout(Duration::from_secs(20), live.next()).await;
        assert!(end.expect("it ends").is_none());
    }
}
