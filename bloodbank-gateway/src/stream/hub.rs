//! The hub: one consumer that hands events to all streams.

use std::{
    collections::HashMap,
    sync::{
        Arc,
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
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, sleep_until},
};
use tracing::warn;
use uuid::Uuid;

use super::{event::StreamEvent, replay::ReplayBuffer};

/// The events, and the bytes of them, that may wait for a client that reads slowly; the stream is ended where there are more.
const MOST_WAITING: usize = 1024;
const MOST_WAITING_BYTES: usize = 32 * 1024 * 1024;
const PREFETCH: u16 = 512;
/// The time for which the queue outlives the connection of its gateway, also of one that will not come back.
const EXPIRES: Duration = Duration::from_secs(180);
/// The longest interruption of a connection that the queue is sure to outlive: the broker may have noticed it earlier.
const LONGEST_GAP: Duration = Duration::from_secs(60);

/// The hub takes every event once from the bus and hands it to the streams that want it. It consumes from the first stream until
/// the last one has been closed for a while: as long as it does, no event is without a receiver.
///
/// The queue of the hub outlives a lost connection and a restart of the broker: streams get what was published meanwhile.
pub(crate) struct Hub {
    bus: Bus,
    bindings: Vec<Arc<str>>,
    /// The state of the connection that events come over; `None` where there is no connection that can be lost.
    connection: Option<watch::Receiver<ConnectionState>>,
    streams: Arc<Mutex<Streams>>,
    /// The time from the end of the last stream to that of the consumer.
    linger: Duration,
    /// Held while the consumer is started, so that it is started once.
    starting: tokio::sync::Mutex<()>,
}

struct Streams {
    replay: ReplayBuffer,
    wanted: PatternTrie<u64>,
    senders: HashMap<u64, StreamSender>,
    next: u64,
    is_consuming: bool,
    /// Since when there is no stream.
    idle_since: Option<Instant>,
    /// Told when the last stream has ended.
    idle: Arc<Notify>,
}

impl Streams {
    /// Ends all streams and forgets the last events, because this gateway may have missed those that came after them. A client
    /// that resumes is told so.
    fn end(&mut self) {
        self.replay.clear();
        self.senders.clear();
        self.wanted = PatternTrie::new();
    }

    /// Ends the consumer, if there was no stream for so long; otherwise returns when it may end, if there is none now.
    fn end_when_idle(&mut self, linger: Duration) -> Idle {
        match self.idle_since {
            None => Idle::No,
            // No time is that far away.
            Some(since) => match since.checked_add(linger) {
                None => Idle::No,
                Some(end) if end > Instant::now() => Idle::Until(end),
                Some(_) => {
                    self.end();
                    self.is_consuming = false;
                    Idle::Ended
                }
            },
        }
    }
}

enum Idle {
    No,
    Until(Instant),
    Ended,
}

/// The sending side of a stream, and how many bytes wait in it.
struct StreamSender {
    events: mpsc::Sender<Arc<StreamEvent>>,
    waiting: Arc<AtomicUsize>,
}

impl StreamSender {
    /// Whether the event was taken; `false` where the client is too slow.
    fn send(&self, event: &Arc<StreamEvent>) -> bool {
        let waiting = self.waiting.fetch_add(event.body.len(), Ordering::Relaxed);
        waiting <= MOST_WAITING_BYTES && self.events.try_send(Arc::clone(event)).is_ok()
    }
}

/// The live events of one stream. They end where the client is too slow, and where the bus was closed.
pub(crate) struct Subscription {
    events: mpsc::Receiver<Arc<StreamEvent>>,
    waiting: Arc<AtomicUsize>,
    number: u64,
    streams: Arc<Mutex<Streams>>,
}

/// The events that a stream missed since the last one it had; `None` where they are not known.
pub(crate) type Missed = Option<Vec<Arc<StreamEvent>>>;

impl Hub {
    /// Makes a hub for the events that match these patterns, which keeps the last of them in `replay`, and receives them for the
    /// time `linger` after its last stream.
    pub(crate) fn new(
        bus: &Bus,
        bindings: impl IntoIterator<Item = String>,
        replay: ReplayBuffer,
        linger: Duration,
    ) -> Self {
        let connections = bus.transport().connections().into_iter();
        let mut consuming = connections.filter(|connection| connection.name == "consume");
        let streams = Streams {
            replay,
            wanted: PatternTrie::new(),
            senders: HashMap::new(),
            next: 0,
            is_consuming: false,
            idle_since: None,
            idle: Arc::default(),
        };
        Self {
            bindings: bindings.into_iter().map(Arc::from).collect(),
            bus: bus.clone(),
            connection: consuming.next().map(|connection| connection.state),
            streams: Arc::new(Mutex::new(streams)),
            linger,
            starting: tokio::sync::Mutex::new(()),
        }
    }

    /// Subscribes to the events that match one of these patterns: those that came after `last`, where it is still kept, and
    /// those from now on. Nothing falls between the two.
    pub(crate) async fn subscribe(&self, patterns: &[String], last: Option<Uuid>) -> Result<(Missed, Subscription)> {
        let _starting = self.starting.lock().await;
        let subscribed = self.add(patterns, last);
        let is_consuming = self.streams.lock().is_consuming;
        if !is_consuming {
            let deliveries = self.consume().await?;
            self.streams.lock().is_consuming = true;
            tokio::spawn(run(Arc::clone(&self.streams), deliveries, self.connection.clone(), self.linger));
        }
        Ok(subscribed)
    }

    /// The last events, oldest first.
    pub(crate) fn recent(&self) -> Vec<Arc<StreamEvent>> {
        self.streams.lock().replay.all().cloned().collect()
    }

    fn add(&self, patterns: &[String], last: Option<Uuid>) -> (Missed, Subscription) {
        let (sender, events) = mpsc::channel(MOST_WAITING);
        let waiting = Arc::<AtomicUsize>::default();
        let mut streams = self.streams.lock();
        streams.idle_since = None;
        let number = streams.next;
        streams.next += 1;
        for pattern in patterns {
            streams.wanted.insert(pattern, number);
        }
        streams.senders.insert(number, StreamSender { events: sender, waiting: Arc::clone(&waiting) });
        let is_wanted = |event: &&Arc<StreamEvent>| patterns.iter().any(|pattern| matches(pattern, &event.key));
        let missed = last.and_then(|last| Some(streams.replay.after(last)?.filter(is_wanted).cloned().collect()));
        (missed, Subscription { events, waiting, number, streams: Arc::clone(&self.streams) })
    }

    async fn consume(&self) -> Result<Deliveries> {
        let exchange = Arc::clone(self.bus.exchange());
        let transport = self.bus.transport();
        // Another one each time: in that of before waits what no stream of today has asked for.
        let queue: Arc<str> = format!("bloodbank.gateway.{}", Uuid::new_v4()).into();
        let bindings = self.bindings.iter().map(|pattern| Binding {
            exchange: Arc::clone(&exchange),
            queue: Arc::clone(&queue),
            pattern: Arc::clone(pattern),
        });
        let declared = Queue::new(Arc::clone(&queue), QueueKind::Transient);
        let declared = match self.connection {
            // Not a replicated one, which would make every publisher wait for what only streams read.
            Some(_) => declared.kind(QueueKind::Classic).expires(EXPIRES),
            None => declared,
        };
        let topology = Topology::default().queues([declared]).bindings(bindings);
        transport.declare(topology).await?;
        transport.consume(queue, PREFETCH).await
    }
}

async fn run(
    streams: Arc<Mutex<Streams>>,
    mut deliveries: Deliveries,
    connection: Option<watch::Receiver<ConnectionState>>,
    linger: Duration,
) {
    let distributing = async {
        while let Some(delivery) = deliveries.next().await {
            distribute(&streams, &delivery);
            delivery.ack();
        }
    };
    let watching = async {
        if let Some(connection) = connection {
            watch_for_gaps(&streams, connection, LONGEST_GAP).await;
        }
        std::future::pending().await
    };
    tokio::select! {
        () = watching => {}
        () = distributing => {}
        // The next stream begins anew.
        () = idle(&streams, linger) => return,
    }
    // The bus was closed.
    let mut streams = streams.lock();
    streams.end();
    streams.is_consuming = false;
}

/// Waits until there was no stream for so long that the consumer has been ended.
async fn idle(streams: &Mutex<Streams>, linger: Duration) {
    let idle = Arc::clone(&streams.lock().idle);
    loop {
        idle.notified().await;
        loop {
            let state = streams.lock().end_when_idle(linger);
            match state {
                Idle::No => break,
                Idle::Until(end) => sleep_until(end).await,
                Idle::Ended => return,
            }
        }
    }
}

/// Ends the streams after an interruption of the connection that the queue may not have outlived.
async fn watch_for_gaps(
    streams: &Mutex<Streams>,
    mut connection: watch::Receiver<ConnectionState>,
    longest_gap: Duration,
) {
    let mut lost: Option<Instant> = None;
    loop {
        let is_there = matches!(*connection.borrow_and_update(), ConnectionState::Up | ConnectionState::Blocked);
        if !is_there {
            lost.get_or_insert_with(Instant::now);
        } else if lost.take().is_some_and(|lost| lost.elapsed() > longest_gap) {
            warn!("streams are ended: the connection was lost for so long that events may be missing");
            streams.lock().end();
        }
        if connection.changed().await.is_err() {
            return;
        }
    }
}

/// Hands an event to every stream that wants it.
fn distribute(streams: &Mutex<Streams>, delivery: &Delivery) {
    let mut streams = streams.lock();
    if streams.senders.is_empty() && streams.replay.is_disabled() {
        return;
    }
    let event = Arc::new(StreamEvent::from_message(&delivery.message));
    // It was handed out, but not acknowledged when the connection was lost.
    if delivery.redelivered && event.event_id.is_some_and(|id| streams.replay.has(id)) {
        return;
    }
    streams.replay.push(&event);
    let mut numbers = Vec::new();
    streams.wanted.for_each_match(&event.key, |number| numbers.push(*number));
    numbers.sort_unstable();
    numbers.dedup();
    for number in numbers {
        let Some(sender) = streams.senders.get(&number) else { continue };
        if !sender.send(&event) {
            warn!(stream = number, "a stream is ended: its client is too slow, and can resume");
            streams.senders.remove(&number);
        }
    }
}

impl Subscription {
    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Arc<StreamEvent>> {
        let event = self.events.recv().await?;
        self.waiting.fetch_sub(event.body.len(), Ordering::Relaxed);
        Some(event)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut streams = self.streams.lock();
        streams.senders.remove(&self.number);
        let number = self.number;
        streams.wanted.retain(|other| *other != number);
        if streams.senders.is_empty() {
            streams.idle_since.get_or_insert_with(Instant::now);
            streams.idle.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn streams_end_where_the_queue_may_be_gone() {
        let longest_gap = Duration::from_millis(500);
        let hub = Hub::new(&Bus::embedded(), ["#".to_owned()], ReplayBuffer::new(9, 99), Duration::MAX);
        let (state, connection) = watch::channel(ConnectionState::Up);
        let streams = Arc::clone(&hub.streams);
        tokio::spawn(async move { watch_for_gaps(&streams, connection, longest_gap).await });
        let (_, mut live) = hub.subscribe(&["#".to_owned()], None).await.unwrap();
        let lose = async |time| {
            state.send(ConnectionState::Down).unwrap();
            tokio::time::sleep(time).await;
            state.send(ConnectionState::Up).unwrap();
        };
        lose(Duration::from_millis(10)).await;
        assert!(tokio::time::timeout(Duration::from_millis(100), live.next()).await.is_err(), "it ended for nothing");
        lose(longest_gap * 2).await;
        let end = tokio::time::timeout(Duration::from_secs(20), live.next()).await;
        assert!(end.expect("it ends").is_none());
    }
}
