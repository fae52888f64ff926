//! A queue: what waits, what is being handled, who takes from it.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    task::Waker,
    time::Duration,
};

use crate::transport::{Incoming, topology::Queue as Spec};

/// The place of a queue in the engine.
pub(super) type QueueId = usize;
/// The name of a consumer in the engine.
pub(super) type ConsumerId = u64;

/// A message in a queue.
#[derive(Clone)]
pub(super) struct Entry {
    /// Its place in the order of the queue.
    pub(super) seq: u64,
    pub(super) message: Arc<Incoming>,
    /// How often it came back unsettled.
    pub(super) returned: u32,
    pub(super) expires_at: Option<Duration>,
}

/// A consumer of a queue.
pub(super) struct Consumer {
    prefetch: usize,
    unsettled: usize,
    waker: Option<Waker>,
}

/// A queue.
pub(super) struct Queue {
    pub(super) spec: Spec,
    ready: VecDeque<Entry>,
    unsettled: HashMap<u64, (ConsumerId, Entry)>,
    consumers: HashMap<ConsumerId, Consumer>,
    /// Consumers that found the queue empty, the one waiting longest first.
    waiting: VecDeque<ConsumerId>,
    next_seq: u64,
}

impl Queue {
    pub(super) fn new(spec: Spec) -> Self {
        Self {
            spec,
            ready: VecDeque::new(),
            unsettled: HashMap::new(),
            consumers: HashMap::new(),
            waiting: VecDeque::new(),
            next_seq: 1,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.spec.max_length.is_some_and(|max| self.ready.len() as u64 >= max)
    }

    /// The place of the next message.
    pub(super) fn take_seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    /// Puts a message to its place; who waits is woken by the caller.
    #[must_use]
    pub(super) fn put(&mut self, entry: Entry) -> Option<Waker> {
        self.next_seq = self.next_seq.max(entry.seq + 1);
        let behind = self.ready.back().is_none_or(|last| last.seq < entry.seq);
        if behind {
            self.ready.push_back(entry);
        } else {
            let place = self.ready.partition_point(|other| other.seq < entry.seq);
            self.ready.insert(place, entry);
        }
        self.wake_one()
    }

    fn wake_one(&mut self) -> Option<Waker> {
        while let Some(id) = self.waiting.pop_front() {
            if let Some(waker) = self.consumers.get_mut(&id).and_then(|consumer| consumer.waker.take()) {
                return Some(waker);
            }
        }
        None
    }

    pub(super) fn add_consumer(&mut self, id: ConsumerId, prefetch: u16) {
        let prefetch = if prefetch == 0 { usize::MAX } else { prefetch.into() };
        self.consumers.insert(
            id,
            Consumer {
                prefetch,
                unsettled: 0,
                waker: None,
            },
        );
    }

    /// Removes a consumer; what it had in hand is returned to the caller, in order.
    pub(super) fn remove_consumer(&mut self, id: ConsumerId) -> (Vec<Entry>, Option<Waker>) {
        self.consumers.remove(&id);
        let mut seqs: Vec<u64> = self
            .unsettled
            .iter()
            .filter(|(_, (holder, _))| *holder == id)
            .map(|(seq, _)| *seq)
            .collect();
        seqs.sort_unstable();
        let entries = seqs
            .iter()
            .filter_map(|seq| self.unsettled.remove(seq))
            .map(|(_, entry)| entry)
            .collect();
        // A wake-up that this consumer had taken belongs to somebody else now.
        let waker = if self.ready.is_empty() { None } else { self.wake_one() };
        (entries, waker)
    }

    /// The next message for a consumer; without one, `waker` is woken when there may be one.
    pub(super) fn take(&mut self, id: ConsumerId, waker: &Waker) -> Option<Entry> {
        let consumer = self.consumers.get_mut(&id)?;
        if consumer.unsettled < consumer.prefetch
            && let Some(entry) = self.ready.pop_front()
        {
            consumer.unsettled += 1;
            self.unsettled.insert(entry.seq, (id, entry.clone()));
            return Some(entry);
        }
        let blocked_by_prefetch = consumer.unsettled >= consumer.prefetch;
        match &mut consumer.waker {
            Some(known) => known.clone_from(waker),
            None => consumer.waker = Some(waker.clone()),
        }
        if !blocked_by_prefetch && !self.waiting.contains(&id) {
            self.waiting.push_back(id);
        }
        None
    }

    /// Takes a message out of a consumer's hands; `None`: it is not in anybody's.
    pub(super) fn settle(&mut self, seq: u64) -> Option<(Entry, Option<Waker>)> {
        let (holder, entry) = self.unsettled.remove(&seq)?;
        let waker = self.consumers.get_mut(&holder).and_then(|consumer| {
            let was_blocked = consumer.unsettled >= consumer.prefetch;
            consumer.unsettled -= 1;
            if was_blocked { consumer.waker.take() } else { None }
        });
        Some((entry, waker))
    }

    /// The first message, if it has expired.
    pub(super) fn take_expired(&mut self, now: Duration) -> Option<Entry> {
        let expired = self.ready.front()?.expires_at? <= now;
        if expired { self.ready.pop_front() } else { None }
    }

    /// When the first message expires.
    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.ready.front()?.expires_at
    }

    /// Messages that wait, and messages in somebody's hands.
    pub(super) fn depth(&self) -> (usize, usize) {
        (self.ready.len(), self.unsettled.len())
    }

    /// The wakers of everybody who waits.
    pub(super) fn take_wakers(&mut self) -> impl Iterator<Item = Waker> {
        self.waiting.clear();
        self.consumers.values_mut().filter_map(|consumer| consumer.waker.take())
    }

    pub(super) fn has_consumers(&self) -> bool {
        !self.consumers.is_empty()
    }
}
