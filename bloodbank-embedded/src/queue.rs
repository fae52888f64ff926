//! A queue: what waits, what is being handled, who takes from it.

use std::{collections::VecDeque, sync::Arc, task::Waker, time::Duration};

use rustc_hash::FxHashMap;

use crate::{
    backlog::Backlog,
    entry::{Entry, QueueId},
    ready::Ready,
};
use bloodbank_core::{message::Incoming, settings::QueueKind, transport::topology::Queue as Spec};

/// The name of a consumer in the engine.
pub(super) type ConsumerId = u64;
/// The name that no consumer has.
const NO_CONSUMER: ConsumerId = 0;

/// A consumer of a queue.
struct Consumer {
    prefetch: usize,
    unsettled: usize,
    waker: Option<Waker>,
}

impl Consumer {
    fn is_free(&self) -> bool {
        self.unsettled < self.prefetch
    }
}

/// A queue.
pub(super) struct Queue {
    pub(super) spec: Spec,
    ready: Ready,
    /// Messages that a consumer has taken and not settled, also one that consumes no more.
    unsettled: FxHashMap<u64, (ConsumerId, Entry)>,
    consumers: FxHashMap<ConsumerId, Consumer>,
    /// Consumers that found the queue empty, the one waiting longest first.
    waiting: VecDeque<ConsumerId>,
    /// The number of messages that have a place here and are not in the file yet.
    in_flight: usize,
}

impl Queue {
    pub(super) fn new(spec: Spec) -> Self {
        Self {
            ready: Ready::new(spec.max_priority.unwrap_or(0)),
            spec,
            unsettled: FxHashMap::default(),
            consumers: FxHashMap::default(),
            waiting: VecDeque::new(),
            in_flight: 0,
        }
    }

    /// Keeps in memory only the messages that come next; a backlog has the rest.
    pub(super) fn page_from(&mut self, id: QueueId, backlog: Arc<dyn Backlog>) {
        self.ready.page_from(id, backlog);
    }

    /// Takes over what the backlog has of a rank of priority.
    #[cfg(feature = "sqlite")]
    pub(super) fn restore(&mut self, rank: usize, count: usize, last: u64) {
        self.ready.restore(rank, count, last);
    }

    /// Reads what comes next where it is not in memory; the wakers of everybody who waits for that. The first message of a
    /// queue is in memory all the time, unless it could not be read.
    pub(super) fn fill(&mut self) -> Vec<Waker> {
        let was_stalled = self.ready.is_stalled();
        self.ready.fill(|seq| self.unsettled.contains_key(&seq));
        if was_stalled && !self.ready.is_stalled() { self.take_wakers().collect() } else { Vec::new() }
    }

    /// Tells whether something waits and could not be read.
    pub(super) fn is_stalled(&self) -> bool {
        self.ready.is_stalled()
    }

    /// The number of messages that are in memory.
    #[cfg(all(test, feature = "sqlite"))]
    pub(super) fn in_memory(&self) -> usize {
        self.ready.in_memory() + self.unsettled.len()
    }

    /// Notes that a message is gone, which a record of the log says.
    pub(super) fn forget(&mut self, seq: u64, logged: u64) {
        self.ready.forget(seq, logged);
    }

    /// Notes that the file has what came to a place.
    #[cfg(feature = "sqlite")]
    pub(super) fn stored(&mut self, seq: u64) {
        self.ready.stored(seq);
    }

    /// Forgets what the file has by now.
    #[cfg(feature = "sqlite")]
    pub(super) fn trim(&mut self) {
        self.ready.trim();
    }

    /// Tells whether the queue outlives the process where the bus has a file.
    pub(super) fn is_durable(&self) -> bool {
        self.spec.kind != QueueKind::Transient
    }

    pub(super) fn is_full(&self) -> bool {
        let used = self.ready.len() + self.in_flight;
        self.spec.max_length.is_some_and(|max| used as u64 >= max)
    }

    /// A place for a message, which `put` or `cancel_put` must follow.
    pub(super) fn take_seq(&mut self, message: &Incoming) -> u64 {
        self.in_flight += 1;
        self.ready.take_seq(message.properties.priority.unwrap_or(0))
    }

    /// Puts a message to the place that was taken for it; who waits is woken by the caller.
    #[must_use]
    pub(super) fn put(&mut self, entry: Entry) -> Option<Waker> {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.put_back(entry)
    }

    /// Gives up a place whose message does not come.
    #[cfg(feature = "sqlite")]
    pub(super) fn cancel_put(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Puts a message to its place again; who waits is woken by the caller.
    #[must_use]
    pub(super) fn put_back(&mut self, entry: Entry) -> Option<Waker> {
        self.ready.insert(entry);
        self.wake_one()
    }

    /// Wakes the one that waits longest and may take something: waking another would lose the message's wake-up.
    fn wake_one(&mut self) -> Option<Waker> {
        if self.spec.single_active {
            let active = self.active()?;
            return self.consumers.get_mut(&active)?.waker.take();
        }
        while let Some(id) = self.waiting.pop_front() {
            if let Some(consumer) = self.consumers.get_mut(&id)
                && consumer.is_free()
                && let Some(waker) = consumer.waker.take()
            {
                return Some(waker);
            }
        }
        None
    }

    /// The consumer whose turn it is, where there is one at a time: the one that came first.
    fn active(&self) -> Option<ConsumerId> {
        self.consumers.keys().min().copied()
    }

    /// Whether a consumer must wait for another one, where there is one at a time: for one that came before, or for what one that is
    /// gone has in hand.
    fn is_behind(&self, id: ConsumerId) -> bool {
        let is_others = |holder: ConsumerId| holder != id && holder != NO_CONSUMER;
        self.spec.single_active
            && (self.active() != Some(id) || self.unsettled.values().any(|(holder, _)| is_others(*holder)))
    }

    pub(super) fn add_consumer(&mut self, id: ConsumerId, prefetch: u16) {
        let prefetch = if prefetch == 0 { usize::MAX } else { prefetch.into() };
        self.consumers.insert(id, Consumer { prefetch, unsettled: 0, waker: None });
    }

    /// Removes a consumer. What it has in hand can still be settled.
    pub(super) fn remove_consumer(&mut self, id: ConsumerId) -> Option<Waker> {
        self.consumers.remove(&id);
        // A wake-up that this consumer had taken belongs to somebody else now.
        if self.ready.is_empty() { None } else { self.wake_one() }
    }

    /// The next message for a consumer; without one, `waker` is woken when there may be one.
    pub(super) fn take(&mut self, id: ConsumerId, waker: &Waker) -> Option<Entry> {
        let is_behind = self.is_behind(id);
        let consumer = self.consumers.get_mut(&id)?;
        if consumer.is_free()
            && !is_behind
            && let Some(entry) = self.ready.pop_front(|seq| self.unsettled.contains_key(&seq))
        {
            consumer.unsettled += 1;
            // It looks again by itself; until then the next message is for another.
            consumer.waker = None;
            self.unsettled.insert(entry.seq, (id, entry.clone()));
            return Some(entry);
        }
        match &mut consumer.waker {
            Some(known) => known.clone_from(waker),
            None => consumer.waker = Some(waker.clone()),
        }
        if consumer.is_free() && !self.waiting.contains(&id) {
            self.waiting.push_back(id);
        }
        None
    }

    /// Takes the next message for a browser, which is no consumer.
    pub(super) fn fetch(&mut self) -> Option<Entry> {
        let entry = self.pop_front()?;
        self.unsettled.insert(entry.seq, (NO_CONSUMER, entry.clone()));
        Some(entry)
    }

    /// Tells whether the next message came back before: it may be what killed the process that had it.
    pub(super) fn next_was_returned(&self) -> bool {
        self.ready.front().is_some_and(|entry| entry.returned > 0)
    }

    /// Takes a message out of a consumer's hands; `None`: it is not in anybody's.
    pub(super) fn settle(&mut self, seq: u64) -> Option<(Entry, Option<Waker>)> {
        let (holder, entry) = self.unsettled.remove(&seq)?;
        if self.spec.single_active && !self.consumers.contains_key(&holder) {
            // Whose turn it is may have waited for this.
            return Some((entry, self.wake_one()));
        }
        let waker = self.consumers.get_mut(&holder).and_then(|consumer| {
            let was_blocked = !consumer.is_free();
            consumer.unsettled -= 1;
            if was_blocked { consumer.waker.take() } else { None }
        });
        Some((entry, waker))
    }

    fn pop_front(&mut self) -> Option<Entry> {
        self.ready.pop_front(|seq| self.unsettled.contains_key(&seq))
    }

    /// The first message, if the queue gives it up, with the reason; the clock is looked at only where it matters.
    pub(super) fn take_given_up(&mut self, now: impl FnOnce() -> Duration) -> Option<(Entry, &'static str)> {
        let first = self.ready.front()?;
        let reason = if first.expires_at.is_some_and(|at| at <= now()) {
            "expired"
        } else if self.is_exhausted(first) {
            // Counted by a restart, and read later.
            "delivery_limit"
        } else {
            return None;
        };
        Some((self.pop_front()?, reason))
    }

    /// The first message in memory that came back too often.
    #[cfg(feature = "sqlite")]
    pub(super) fn take_exhausted(&mut self) -> Option<Entry> {
        let limit = self.spec.delivery_limit?;
        self.ready.take_where(|entry| entry.returned > limit, |seq| self.unsettled.contains_key(&seq))
    }

    /// Tells whether a message came back too often.
    pub(super) fn is_exhausted(&self, entry: &Entry) -> bool {
        self.spec.delivery_limit.is_some_and(|limit| entry.returned > limit)
    }

    /// When the first message expires.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.ready.front()?.expires_at
    }

    /// Messages that wait, and messages in somebody's hands.
    pub(super) fn depth(&self) -> (usize, usize) {
        (self.ready.len(), self.unsettled.len())
    }

    /// Nothing is on its way, nothing is in hand, and nothing waits for somebody who is there.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.unsettled.is_empty() && (self.ready.is_empty() || !self.has_consumers())
    }

    /// The wakers of everybody who waits.
    pub(super) fn take_wakers(&mut self) -> impl Iterator<Item = Waker> {
        self.waiting.clear();
        self.consumers.values_mut().filter_map(|consumer| consumer.waker.take())
    }

    /// The message that waits longest.
    pub(super) fn first(&self) -> Option<&Entry> {
        self.ready.front()
    }

    pub(super) fn consumer_count(&self) -> usize {
        self.consumers.len()
    }

    pub(super) fn has_consumers(&self) -> bool {
        !self.consumers.is_empty()
    }
}
