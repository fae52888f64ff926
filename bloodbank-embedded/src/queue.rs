//! A queue: what waits, what is being handled, who takes from it.

use std::{cmp::Reverse, collections::VecDeque, sync::Arc, task::Waker, time::Duration};

use rustc_hash::FxHashMap;

use bloodbank_core::{message::Incoming, settings::QueueKind, transport::topology::Queue as Spec};

/// The place of a queue in the engine.
pub(super) type QueueId = usize;
/// The name of a consumer in the engine.
pub(super) type ConsumerId = u64;
/// The name that no consumer has.
const NO_CONSUMER: ConsumerId = 0;
/// The name of a published message in the engine; what is moved or copied to several queues keeps it.
pub(super) type MessageId = u64;

/// A message in a queue.
#[derive(Clone)]
pub(super) struct Entry {
    /// The place of the message in the order of the queue.
    pub(super) seq: u64,
    pub(super) id: MessageId,
    pub(super) message: Arc<Incoming>,
    /// The number of times that the message came back unsettled.
    pub(super) returned: u32,
    pub(super) expires_at: Option<Duration>,
    /// The message was there when the file was opened: it may be what killed the process before.
    pub(super) restored: bool,
}

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
    ready: VecDeque<Entry>,
    /// Messages that a consumer has taken and not settled, also one that consumes no more.
    unsettled: FxHashMap<u64, (ConsumerId, Entry)>,
    consumers: FxHashMap<ConsumerId, Consumer>,
    /// Consumers that found the queue empty, the one waiting longest first.
    waiting: VecDeque<ConsumerId>,
    next_seq: u64,
    /// The number of messages that have a place here and are not in the file yet.
    in_flight: usize,
}

impl Queue {
    pub(super) fn new(spec: Spec) -> Self {
        Self {
            spec,
            ready: VecDeque::new(),
            unsettled: FxHashMap::default(),
            consumers: FxHashMap::default(),
            waiting: VecDeque::new(),
            next_seq: 1,
            in_flight: 0,
        }
    }

    /// Tells whether the queue outlives the process where the bus has a file.
    pub(super) fn is_durable(&self) -> bool {
        self.spec.kind != QueueKind::Transient
    }

    pub(super) fn is_full(&self) -> bool {
        let used = self.ready.len() + self.in_flight;
        self.spec.max_length.is_some_and(|max| used as u64 >= max)
    }

    /// The place of the next message, which `put` or `cancel_put` must follow.
    pub(super) fn take_seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        self.in_flight += 1;
        seq
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
        self.next_seq = self.next_seq.max(entry.seq + 1);
        let place_of = |entry: &Entry| (Reverse(self.priority(entry)), entry.seq);
        let place = place_of(&entry);
        if self.ready.back().is_none_or(|last| place_of(last) < place) {
            self.ready.push_back(entry);
        } else {
            let place = self.ready.partition_point(|other| place_of(other) < place);
            self.ready.insert(place, entry);
        }
        self.wake_one()
    }

    /// The priority of a message here: 0 where the queue has none.
    fn priority(&self, entry: &Entry) -> u8 {
        let highest = self.spec.max_priority.unwrap_or(0);
        entry.message.properties.priority.unwrap_or(0).min(highest)
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
            && let Some(entry) = self.ready.pop_front()
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
        let entry = self.ready.pop_front()?;
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

    /// The first message, if it has expired; the clock is looked at only where that can be.
    pub(super) fn take_expired(&mut self, now: impl FnOnce() -> Duration) -> Option<Entry> {
        let expires_at = self.ready.front()?.expires_at?;
        if expires_at <= now() { self.ready.pop_front() } else { None }
    }

    /// The first message that came back too often.
    #[cfg(feature = "sqlite")]
    pub(super) fn take_exhausted(&mut self) -> Option<Entry> {
        let place = self.ready.iter().position(|entry| self.is_exhausted(entry))?;
        self.ready.remove(place)
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
