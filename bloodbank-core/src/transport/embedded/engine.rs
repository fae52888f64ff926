//! The embedded broker: exchanges, queues, routing, expiry, dead letters; all under one lock.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use super::{
    clock::Clock,
    exchange::{Exchange, Route},
    journal::{Journal, Record},
    queue::{ConsumerId, Entry, Queue, QueueId},
};
use crate::{
    error::{Error, ErrorKind, Result},
    transport::{
        Incoming, Outgoing,
        topology::{Queue as Spec, QueueKind, Topology},
    },
};

/// The embedded broker.
pub(super) struct Engine {
    pub(super) clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
pub(super) struct State {
    exchanges: HashMap<Arc<str>, Exchange>,
    /// A place is not used again: a late settlement must not hit another queue.
    queues: Vec<Option<Queue>>,
    names: HashMap<Arc<str>, QueueId>,
    next_consumer: ConsumerId,
    journal: Journal,
    closed: bool,
    /// Somebody wants to know when the next message expires.
    timer: Option<Arc<dyn Fn() + Send + Sync>>,
}

/// Consumers to wake, once the lock is free.
#[derive(Default)]
pub(super) struct Wakers(Vec<Waker>);

impl Wakers {
    fn add(&mut self, waker: Option<Waker>) {
        self.0.extend(waker);
    }

    pub(super) fn wake(self) {
        for waker in self.0 {
            waker.wake();
        }
    }
}

/// What a message that is on its way needs to reach its queues.
pub(super) struct Routed {
    pub(super) entries: Vec<(QueueId, Entry)>,
}

impl Engine {
    pub(super) fn new(clock: Clock, journal: Journal) -> Self {
        Self {
            clock,
            state: Mutex::new(State {
                journal,
                ..State::default()
            }),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves what has expired; returns when the next message expires.
    pub(super) fn expire(&self) -> Option<Duration> {
        let now = self.clock.now();
        let mut wakers = Wakers::default();
        let next = {
            let mut state = self.lock();
            state.expire(now, &mut wakers);
            state.next_expiry()
        };
        wakers.wake();
        next
    }
}

impl State {
    pub(super) fn check_open(&self) -> Result<()> {
        if self.closed {
            Err(Error::new(
                ErrorKind::Closed,
                "the embedded bus is closed; make a new one",
            ))
        } else {
            Ok(())
        }
    }

    pub(super) fn close(&mut self, wakers: &mut Wakers) {
        self.closed = true;
        for queue in self.queues.iter_mut().flatten() {
            wakers.0.extend(queue.take_wakers());
        }
        self.journal.close();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(super) fn set_timer(&mut self, timer: Arc<dyn Fn() + Send + Sync>) {
        self.timer = Some(timer);
    }

    /// Makes sure that all of it exists.
    pub(super) fn declare(&mut self, topology: &Topology) -> Result<()> {
        self.check_open()?;
        for exchange in &topology.exchanges {
            match self.exchanges.get(&exchange.name) {
                None => {
                    self.exchanges
                        .insert(Arc::clone(&exchange.name), Exchange::new(exchange.kind));
                }
                Some(known) if known.kind == exchange.kind => {}
                Some(known) => {
                    return Err(Error::new(
                        ErrorKind::Topology,
                        format!(
                            "exchange `{}` exists with another type: it is {:?}, {:?} is wanted; delete it or choose another name",
                            exchange.name, known.kind, exchange.kind
                        ),
                    ));
                }
            }
        }
        for queue in &topology.queues {
            self.declare_queue(queue)?;
        }
        for binding in &topology.bindings {
            let queue = self.queue_id(&binding.queue)?;
            let exchange = self
                .exchanges
                .get_mut(&binding.exchange)
                .ok_or_else(|| missing_exchange(&binding.exchange))?;
            exchange.bind(&binding.pattern, queue);
        }
        self.journal.append(|| Record::Declared(topology.clone()));
        Ok(())
    }

    fn declare_queue(&mut self, spec: &Spec) -> Result<()> {
        if let Some(id) = self.names.get(&spec.name) {
            if let Some(Some(queue)) = self.queues.get(*id)
                && queue.spec != *spec
            {
                return Err(Error::new(
                    ErrorKind::Topology,
                    format!(
                        "queue `{}` exists with other properties: it has {:?}, {:?} is wanted; delete it once it is empty, or choose another name",
                        spec.name, queue.spec, spec
                    ),
                ));
            }
            return Ok(());
        }
        self.names.insert(Arc::clone(&spec.name), self.queues.len());
        self.queues.push(Some(Queue::new(spec.clone())));
        Ok(())
    }

    pub(super) fn queue_id(&self, name: &str) -> Result<QueueId> {
        self.names.get(name).copied().ok_or_else(|| {
            Error::new(
                ErrorKind::Topology,
                format!("there is no queue `{name}`; declare it before consuming"),
            )
        })
    }

    pub(super) fn queue_name(&self, id: QueueId) -> Option<&Arc<str>> {
        Some(&self.queues.get(id)?.as_ref()?.spec.name)
    }

    fn queue(&mut self, id: QueueId) -> Option<&mut Queue> {
        self.queues.get_mut(id)?.as_mut()
    }

    fn route(&mut self, exchange: &Arc<str>, key: &Arc<str>) -> Result<Route> {
        if exchange.is_empty() {
            return Ok(self.names.get(key).copied().into_iter().collect());
        }
        let exchange = self
            .exchanges
            .get_mut(exchange)
            .ok_or_else(|| missing_exchange(exchange))?;
        Ok(exchange.route(key))
    }

    /// Finds the queues of a message and its place in each of them.
    pub(super) fn accept(&mut self, message: Outgoing, now: Duration) -> Result<Routed> {
        self.check_open()?;
        let route = self.route(&message.exchange, &message.routing_key)?;
        if let Some(full) = route.iter().find_map(|id| {
            let queue = self.queues.get(*id)?.as_ref()?;
            queue.is_full().then(|| Arc::clone(&queue.spec.name))
        }) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!(
                    "queue `{full}` is full and refuses `{}`; consume from it, or raise its limit",
                    message.routing_key
                ),
            ));
        }
        let Outgoing {
            exchange,
            routing_key,
            properties,
            body,
            mandatory: _,
        } = message;
        Ok(self.place(
            &route,
            Arc::new(Incoming {
                exchange,
                routing_key,
                properties,
                body,
            }),
            now,
        ))
    }

    fn place(&mut self, route: &Route, message: Arc<Incoming>, now: Duration) -> Routed {
        let mut entries = Vec::with_capacity(route.len());
        for id in route.iter() {
            let Some(queue) = self.queue(*id) else { continue };
            let lifetime = match (message.properties.expiration, queue.spec.message_ttl) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            let seq = queue.take_seq();
            let expires_at = lifetime.map(|lifetime| now + lifetime);
            entries.push((
                *id,
                Entry {
                    seq,
                    message: Arc::clone(&message),
                    returned: 0,
                    expires_at,
                },
            ));
        }
        Routed { entries }
    }

    /// Puts messages into their queues.
    pub(super) fn put(&mut self, entries: impl IntoIterator<Item = (QueueId, Entry)>, wakers: &mut Wakers) {
        let mut expiring = false;
        for (id, entry) in entries {
            expiring |= entry.expires_at.is_some();
            if let Some(queue) = self.queue(id) {
                wakers.add(queue.put(entry));
            }
        }
        if expiring && let Some(timer) = &self.timer {
            timer();
        }
    }

    pub(super) fn add_consumer(&mut self, queue: QueueId, prefetch: u16) -> ConsumerId {
        self.next_consumer += 1;
        let id = self.next_consumer;
        if let Some(queue) = self.queue(queue) {
            queue.add_consumer(id, prefetch);
        }
        id
    }

    /// Removes a consumer; what it had in hand goes back to the queue.
    pub(super) fn remove_consumer(&mut self, queue: QueueId, consumer: ConsumerId, now: Duration, wakers: &mut Wakers) {
        let Some(state) = self.queue(queue) else { return };
        let (entries, waker) = state.remove_consumer(consumer);
        wakers.add(waker);
        for entry in entries {
            self.give_back(queue, entry, now, wakers);
        }
        let gone = self
            .queue(queue)
            .is_some_and(|queue| queue.spec.kind == QueueKind::Transient && !queue.has_consumers());
        if gone {
            self.delete(queue);
        }
    }

    fn delete(&mut self, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(id).and_then(Option::take) {
            self.names.remove(&queue.spec.name);
            for exchange in self.exchanges.values_mut() {
                exchange.unbind(id);
            }
        }
    }

    pub(super) fn take(
        &mut self,
        queue: QueueId,
        consumer: ConsumerId,
        now: Duration,
        waker: &Waker,
        wakers: &mut Wakers,
    ) -> Option<Entry> {
        while let Some(expired) = self.queue(queue)?.take_expired(now) {
            self.give_up(queue, &expired, "expired", now, wakers);
        }
        self.queue(queue)?.take(consumer, waker)
    }

    pub(super) fn ack(&mut self, queue: QueueId, seq: u64, wakers: &mut Wakers) {
        if let Some((_, waker)) = self.queue(queue).and_then(|state| state.settle(seq)) {
            wakers.add(waker);
            self.journal.append(|| Record::Removed(queue, seq));
        }
    }

    pub(super) fn reject(&mut self, queue: QueueId, seq: u64, requeue: bool, now: Duration, wakers: &mut Wakers) {
        let Some((entry, waker)) = self.queue(queue).and_then(|state| state.settle(seq)) else {
            return;
        };
        wakers.add(waker);
        if requeue {
            self.give_back(queue, entry, now, wakers);
        } else {
            self.give_up(queue, &entry, "rejected", now, wakers);
        }
    }

    /// Back to the queue, unless it came back too often.
    fn give_back(&mut self, queue: QueueId, mut entry: Entry, now: Duration, wakers: &mut Wakers) {
        entry.returned += 1;
        let Some(state) = self.queue(queue) else { return };
        if state.spec.delivery_limit.is_some_and(|limit| entry.returned > limit) {
            self.give_up(queue, &entry, "delivery_limit", now, wakers);
            return;
        }
        let returned = Record::Returned(queue, entry.seq, entry.returned);
        wakers.add(state.put(entry));
        self.journal.append(|| returned);
    }

    /// To where the queue sends what it gives up, as RabbitMQ would: with the reason in the headers.
    fn give_up(&mut self, queue: QueueId, entry: &Entry, reason: &'static str, now: Duration, wakers: &mut Wakers) {
        let Some(spec) = self.queue(queue).map(|queue| queue.spec.clone()) else {
            return;
        };
        let mut moved = Vec::new();
        if let Some(target) = &spec.dead_letter {
            let key = target.routing_key.as_ref().unwrap_or(&entry.message.routing_key);
            if let Ok(route) = self.route(&target.exchange, key) {
                let mut message = (*entry.message).clone();
                message.exchange = Arc::clone(&target.exchange);
                message.routing_key = Arc::clone(key);
                message.properties.expiration = None;
                if message.properties.headers.get("x-first-death-reason").is_none() {
                    message.properties.headers.set("x-first-death-reason", reason);
                    message.properties.headers.set("x-first-death-queue", &*spec.name);
                }
                moved = self.place(&route, Arc::new(message), now).entries;
            }
        }
        self.journal.append(|| Record::Moved(queue, entry.seq, moved.clone()));
        self.put(moved, wakers);
    }

    fn expire(&mut self, now: Duration, wakers: &mut Wakers) {
        for id in 0..self.queues.len() {
            while let Some(expired) = self.queue(id).and_then(|queue| queue.take_expired(now)) {
                self.give_up(id, &expired, "expired", now, wakers);
            }
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.queues.iter().flatten().filter_map(Queue::next_expiry).min()
    }

    /// Messages that wait, and messages in somebody's hands, of a queue.
    pub(super) fn depth(&self, name: &str) -> Option<(usize, usize)> {
        let id = self.names.get(name)?;
        Some(self.queues.get(*id)?.as_ref()?.depth())
    }

    /// Whether nobody has anything to do: every queue that somebody consumes is empty and nothing is in hand.
    pub(super) fn is_idle(&self) -> bool {
        self.queues.iter().flatten().all(|queue| {
            let (ready, unsettled) = queue.depth();
            unsettled == 0 && (ready == 0 || !queue.has_consumers())
        })
    }
}

fn missing_exchange(name: &str) -> Error {
    Error::new(
        ErrorKind::Topology,
        format!("there is no exchange `{name}`; declare it first"),
    )
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
