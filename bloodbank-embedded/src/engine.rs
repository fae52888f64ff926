//! The embedded broker: what there is, under one lock, and the way of a message into its queues and out.

use std::{collections::HashMap, sync::Arc, task::Waker, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::{
    backlog::Backlog,
    changes::{ChangeLog, Publication, Record},
    clock::Clock,
    entry::{Entry, MessageId, QueueId},
    exchange::{Exchange, Route},
    queue::{ConsumerId, Queue},
    wakers::Wakers,
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    message::{Incoming, Outgoing, Published},
    settings::QueueKind,
};

/// The embedded broker.
pub(super) struct Engine {
    pub(super) clock: Clock,
    /// How far the file has come.
    #[cfg(feature = "sqlite")]
    pub(super) journal: crate::sqlite::progress::JournalProgress,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) exchanges: HashMap<Arc<str>, Exchange>,
    /// A place is not used again: a late settlement must not hit another queue.
    pub(super) queues: Vec<Option<Queue>>,
    pub(super) names: HashMap<Arc<str>, QueueId>,
    pub(super) last_message: MessageId,
    pub(super) changes: ChangeLog,
    /// What has the messages that are not in memory; `None`: all are.
    pub(super) backlog: Option<Arc<dyn Backlog>>,
    /// Tells the expiry thread that another message expires; returns whether that thread runs.
    pub(super) timer: Option<Arc<dyn Fn() -> bool + Send + Sync>>,
    /// The time at which the expiry thread looks again by itself.
    pub(super) timer_at: Option<Duration>,
    last_consumer: ConsumerId,
    closed: bool,
}

/// The answer to a publish.
pub(super) enum Accepted {
    /// The message is in its queues.
    Now(Published),
    /// The message will be in its queues once the file has it.
    WhenDurable(Published, oneshot::Receiver<Result<()>>),
}

/// A message taken for a consumer.
pub(super) struct Taken {
    pub(super) entry: Entry,
    /// Answered when the message may be handed out.
    pub(super) marked: Option<oneshot::Receiver<()>>,
}

impl Engine {
    pub(super) fn new(clock: Clock) -> Self {
        Self::with(clock, State::default())
    }

    /// An engine that goes on where another stopped.
    pub(super) fn with(clock: Clock, state: State) -> Self {
        Self {
            clock,
            #[cfg(feature = "sqlite")]
            journal: crate::sqlite::progress::JournalProgress::new(state.last_message),
            state: Mutex::new(state),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Puts a message into its queues.
    pub(super) fn publish(&self, message: Outgoing) -> Result<Accepted> {
        let mut wakers = Wakers::default();
        let accepted = self.lock().publish(message, &self.clock, &mut wakers);
        wakers.wake();
        accepted
    }

    /// Moves what has expired; returns when the next message expires.
    pub(super) fn expire(&self) -> Option<Duration> {
        let mut wakers = Wakers::default();
        let next = self.lock().expire(&self.clock, &mut wakers);
        wakers.wake();
        next
    }

    /// Resolves when the file has every change until now; at once in memory.
    pub(super) async fn flush(&self) -> Result<()> {
        #[cfg(feature = "sqlite")]
        {
            let asked = {
                let state = self.lock();
                state.changes.is_durable().then(|| {
                    let (reply, answer) = oneshot::channel();
                    state.changes.append(|| {
                        Record::Queried(Box::new(move |_| {
                            let _ = reply.send(());
                        }))
                    });
                    answer
                })
            };
            if let Some(answer) = asked {
                let text = "the embedded bus was closed before it kept everything; make a new one";
                answer.await.map_err(|_| Error::new(ErrorKind::Closed, text))?;
            }
        }
        Ok(())
    }

    /// Ends every stream of deliveries and refuses what comes later.
    pub(super) fn close(&self, released: Option<oneshot::Sender<()>>) {
        let mut wakers = Wakers::default();
        self.lock().close(released, &mut wakers);
        wakers.wake();
        #[cfg(feature = "sqlite")]
        self.journal.closed();
    }
}

impl State {
    pub(super) fn check_open(&self) -> Result<()> {
        if self.closed {
            Err(Error::new(ErrorKind::Closed, "the embedded bus is closed; make a new one"))
        } else {
            Ok(())
        }
    }

    fn close(&mut self, released: Option<oneshot::Sender<()>>, wakers: &mut Wakers) {
        self.closed = true;
        for queue in self.queues.iter_mut().flatten() {
            for waker in queue.take_wakers() {
                wakers.add(Some(waker));
            }
        }
        // Before the thread that writes lets go of the file.
        if let Some(backlog) = &self.backlog {
            backlog.close();
        }
        self.changes.append(|| Record::Closed(released));
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn queue(&mut self, id: QueueId) -> Option<&mut Queue> {
        self.queues.get_mut(id)?.as_mut()
    }

    pub(super) fn route(&mut self, exchange: &Arc<str>, key: &Arc<str>) -> Result<Route> {
        if exchange.is_empty() {
            return Ok(self.names.get(key).copied().into_iter().collect());
        }
        let exchange = self.exchanges.get_mut(exchange).ok_or_else(|| missing_exchange(exchange))?;
        Ok(exchange.route(key))
    }

    fn publish(&mut self, message: Outgoing, clock: &Clock, wakers: &mut Wakers) -> Result<Accepted> {
        self.check_open()?;
        let route = self.route(&message.exchange, &message.routing_key)?;
        self.check_space(&route, &message.routing_key)?;
        let published = Published { unrouted: message.mandatory.then(|| route.is_empty()) };
        let Outgoing { exchange, routing_key, properties, body, .. } = message;
        let message = Arc::new(Incoming { exchange, routing_key, properties, body });
        self.last_message += 1;
        let id = self.last_message;
        if self.changes.is_durable() {
            let (confirm, confirmed) = oneshot::channel();
            let entries = self.place(&route, id, &message, clock);
            self.changes.append(|| Record::Published(Publication { id, message, entries, confirm }));
            return Ok(Accepted::WhenDurable(published, confirmed));
        }
        if let [queue] = *route {
            if let Some(entry) = self.place_in(queue, id, message, clock) {
                self.put(queue, entry, wakers);
            }
        } else {
            for (queue, entry) in self.place(&route, id, &message, clock) {
                self.put(queue, entry, wakers);
            }
        }
        Ok(Accepted::Now(published))
    }

    fn check_space(&self, route: &[QueueId], key: &str) -> Result<()> {
        let full = route.iter().filter_map(|id| self.queues.get(*id)?.as_ref()).find(|queue| queue.is_full());
        match full {
            None => Ok(()),
            Some(full) => Err(Error::new(
                ErrorKind::Refused,
                format!("queue `{}` is full and refuses `{key}`; consume from it, or raise its limit", full.spec.name),
            )),
        }
    }

    /// The places of a message in its queues.
    pub(super) fn place(
        &mut self,
        route: &[QueueId],
        id: MessageId,
        message: &Arc<Incoming>,
        clock: &Clock,
    ) -> Vec<(QueueId, Entry)> {
        route
            .iter()
            .filter_map(|queue| Some((*queue, self.place_in(*queue, id, Arc::clone(message), clock)?)))
            .collect()
    }

    fn place_in(&mut self, queue: QueueId, id: MessageId, message: Arc<Incoming>, clock: &Clock) -> Option<Entry> {
        let queue = self.queue(queue)?;
        let lifetime = match (message.properties.expiration, queue.spec.message_ttl) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Some(Entry {
            seq: queue.take_seq(&message),
            id,
            message,
            returned: 0,
            expires_at: lifetime.map(|lifetime| clock.now() + lifetime.max(MIN_LIFETIME)),
            restored: false,
            logged: 0,
        })
    }

    /// Puts a message to the place that was made for it.
    pub(super) fn put(&mut self, queue: QueueId, entry: Entry, wakers: &mut Wakers) {
        let Some(state) = self.queue(queue) else { return };
        wakers.add(state.put(entry));
        self.watch(queue);
    }

    /// Lets the expiry thread read what could not be read.
    fn watch_stalled(&mut self, queue: QueueId) {
        if self.queue(queue).is_some_and(|queue| queue.is_stalled())
            && let Some(timer) = &self.timer
        {
            self.timer_at = None;
            timer();
        }
    }

    pub(super) fn has_stalled(&self) -> bool {
        self.queues.iter().flatten().any(Queue::is_stalled)
    }

    /// Tells the expiry thread when the first message of a queue expires, unless it looks earlier.
    pub(super) fn watch(&mut self, queue: QueueId) {
        let Some(expires_at) = self.queue(queue).and_then(|queue| queue.next_expiry()) else {
            return;
        };
        if self.timer_at.is_none_or(|at| expires_at < at) && self.timer.as_ref().is_some_and(|timer| timer()) {
            self.timer_at = Some(expires_at);
        }
    }

    pub(super) fn add_consumer(&mut self, queue: QueueId, prefetch: u16) -> ConsumerId {
        self.last_consumer += 1;
        let id = self.last_consumer;
        if let Some(queue) = self.queue(queue) {
            queue.add_consumer(id, prefetch);
        }
        id
    }

    /// Removes a consumer. What it has in hand can still be settled; a transient queue goes with its last consumer.
    pub(super) fn remove_consumer(&mut self, queue: QueueId, consumer: ConsumerId, wakers: &mut Wakers) {
        let Some(state) = self.queue(queue) else { return };
        wakers.add(state.remove_consumer(consumer));
        if state.spec.kind == QueueKind::Transient && !state.has_consumers() {
            self.delete(queue);
        }
    }

    pub(super) fn take(
        &mut self,
        queue: QueueId,
        consumer: ConsumerId,
        clock: &Clock,
        waker: &Waker,
        wakers: &mut Wakers,
    ) -> Option<Taken> {
        self.give_up(queue, usize::MAX, || clock.now(), clock, wakers);
        self.watch_stalled(queue);
        let state = self.queues.get_mut(queue)?.as_mut()?;
        let entry = state.take(consumer, waker)?;
        let mut marked = None;
        if self.changes.is_durable() && state.is_durable() {
            self.changes.append(|| {
                let mark = entry.restored.then(oneshot::channel).map(|(mark, waiting)| {
                    marked = Some(waiting);
                    mark
                });
                Record::Taken(queue, entry.seq, mark)
            });
        }
        if state.next_expiry().is_some() {
            self.watch(queue);
        }
        self.watch_stalled(queue);
        Some(Taken { entry, marked })
    }

    /// Takes the next message for a browser. The message is not marked as taken, because a browser does not handle it.
    pub(super) fn fetch(&mut self, queue: QueueId, clock: &Clock, wakers: &mut Wakers) -> Option<Entry> {
        self.give_up(queue, usize::MAX, || clock.now(), clock, wakers);
        let entry = self.queue(queue)?.fetch();
        self.watch_stalled(queue);
        entry
    }

    /// Messages that wait, and messages in somebody's hands, of a queue.
    pub(super) fn depth(&self, name: &str) -> Option<(usize, usize)> {
        let id = self.names.get(name)?;
        Some(self.queues.get(*id)?.as_ref()?.depth())
    }

    /// Tells whether no consumer has anything to do.
    pub(super) fn is_idle(&self) -> bool {
        self.queues.iter().flatten().all(Queue::is_idle)
    }
}

/// The shortest lifetime of a message: without it, a queue that sends what expires to itself would never come to an end.
const MIN_LIFETIME: Duration = Duration::from_millis(1);

pub(super) fn missing_exchange(name: &str) -> Error {
    Error::new(ErrorKind::Topology, format!("there is no exchange `{name}`; declare it first"))
}
