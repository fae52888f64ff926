//! Settling of messages that were taken, and expiry of those whose time is over.

use std::{sync::Arc, time::Duration};

use crate::{
    changes::Record,
    clock::Clock,
    death,
    engine::State,
    entry::{Entry, QueueId},
    queue::Queue,
    wakers::Wakers,
};

/// The time until what could not be read from the file is tried again.
const READ_AGAIN: Duration = Duration::from_millis(250);
/// The time in which the file comes nearer to what was changed.
const WRITTEN_SOON: Duration = Duration::from_millis(20);
/// The most messages of a queue that expire at once: everybody waits meanwhile.
const MOST_EXPIRED: usize = 1_000;

impl State {
    pub(super) fn ack(&mut self, queue: QueueId, seq: u64, wakers: &mut Wakers) {
        let Some(state) = self.queue(queue) else { return };
        let kept = state.is_durable();
        let Some((entry, waker)) = state.settle(seq) else {
            return;
        };
        wakers.add(waker);
        if kept {
            let logged = self.changes.append(|| Record::Removed(queue, seq, entry.id));
            self.forget(queue, seq, logged);
        }
    }

    pub(super) fn reject(&mut self, queue: QueueId, seq: u64, requeue: bool, clock: &Clock, wakers: &mut Wakers) {
        let Some((entry, waker)) = self.queue(queue).and_then(|state| state.settle(seq)) else {
            return;
        };
        wakers.add(waker);
        if requeue {
            self.requeue(queue, entry, clock, wakers);
        } else {
            self.dead_letter(queue, &entry, "rejected", clock, wakers);
        }
    }

    /// Puts a message back into its queue, or dead-letters it when it came back too often.
    fn requeue(&mut self, queue: QueueId, mut entry: Entry, clock: &Clock, wakers: &mut Wakers) {
        entry.returned += 1;
        let Some(state) = self.queue(queue) else { return };
        if state.is_exhausted(&entry) {
            self.dead_letter(queue, &entry, "delivery_limit", clock, wakers);
        } else {
            self.put_back(queue, entry, wakers);
        }
    }

    /// Puts a message back into its queue without counting, as if nobody had taken it.
    pub(super) fn requeue_uncounted(&mut self, queue: QueueId, seq: u64, wakers: &mut Wakers) {
        if let Some((entry, waker)) = self.queue(queue).and_then(|state| state.settle(seq)) {
            wakers.add(waker);
            self.put_back(queue, entry, wakers);
        }
    }

    fn put_back(&mut self, queue: QueueId, mut entry: Entry, wakers: &mut Wakers) {
        let Some(state) = self.queue(queue) else { return };
        if state.is_durable() {
            entry.logged = self.changes.append(|| Record::Returned(queue, entry.seq, entry.returned));
        }
        let Some(state) = self.queue(queue) else { return };
        wakers.add(state.put_back(entry));
        self.watch(queue);
    }

    /// Notes that a message has left a queue, which a record of the log says.
    fn forget(&mut self, queue: QueueId, seq: u64, logged: u64) {
        if let Some(queue) = self.queue(queue) {
            queue.forget(seq, logged);
        }
    }

    /// Sends a message to the dead-letter exchange of its queue, as RabbitMQ would: with the reason in the headers.
    pub(super) fn dead_letter(
        &mut self,
        queue: QueueId,
        entry: &Entry,
        reason: &'static str,
        clock: &Clock,
        wakers: &mut Wakers,
    ) {
        let Some(state) = self.queue(queue) else { return };
        let (kept, name, target) = (state.is_durable(), Arc::clone(&state.spec.name), state.spec.dead_letter.clone());
        let mut moved = Vec::new();
        if let Some(target) = target {
            let key = target.routing_key.as_ref().unwrap_or(&entry.message.routing_key);
            let route = self.route(&target.exchange, key);
            let mut message = (*entry.message).clone();
            death::record(&mut message, &name, reason);
            message.exchange = Arc::clone(&target.exchange);
            message.routing_key = Arc::clone(key);
            message.properties.expiration = None;
            if let Ok(route) = route {
                moved = self.place(&route, entry.id, &Arc::new(message), clock);
            }
            if moved.is_empty() {
                tracing::error!(
                    queue = &*name,
                    reason,
                    exchange = &*target.exchange,
                    key = &**key,
                    "a message was given up and lost: no queue receives it there; bind a dead-letter queue",
                );
            }
        }
        let mut logged = 0;
        if kept || !moved.is_empty() {
            logged = self.changes.append(|| Record::Moved(queue, entry.seq, entry.id, moved.clone()));
            self.forget(queue, entry.seq, logged);
        }
        for (queue, entry) in moved {
            self.put(queue, Entry { logged, ..entry }, wakers);
        }
    }

    /// Dead-letters the first messages of a queue as long as it gives them up, at most so many; `false`: there may be more.
    pub(super) fn give_up(
        &mut self,
        queue: QueueId,
        most: usize,
        now: impl Fn() -> Duration,
        clock: &Clock,
        wakers: &mut Wakers,
    ) -> bool {
        for _ in 0..most {
            let given_up = self.queue(queue).and_then(|queue| queue.take_given_up(&now));
            let Some((entry, reason)) = given_up else { return true };
            self.dead_letter(queue, &entry, reason, clock, wakers);
        }
        false
    }

    /// Moves what has expired, and reads what could not be read; returns when to look again, which the timer does.
    pub(super) fn expire(&mut self, clock: &Clock, wakers: &mut Wakers) -> Option<Duration> {
        let now = clock.now();
        let mut again = None;
        for id in 0..self.queues.len() {
            let stalled = self.queue(id).filter(|queue| queue.is_stalled());
            for waker in stalled.into_iter().flat_map(Queue::fill) {
                wakers.add(Some(waker));
            }
            // All of them at once would be in memory until they are written.
            let is_written = self.backlog.as_ref().is_none_or(|backlog| self.changes.is_near(backlog.written()));
            if !is_written || !self.give_up(id, MOST_EXPIRED, || now, clock, wakers) {
                again = Some(now + if is_written { Duration::ZERO } else { WRITTEN_SOON });
            }
            if self.queue(id).is_some_and(|queue| queue.is_stalled()) {
                again = again.or(Some(now + READ_AGAIN));
            }
        }
        self.timer_at = match again {
            Some(again) => Some(again),
            None => self.next_expiry(),
        };
        self.timer_at
    }

    /// Dead-letters messages that came back too often: a restart may have counted them over the limit.
    #[cfg(feature = "sqlite")]
    pub(super) fn dead_letter_exhausted(&mut self, clock: &Clock, wakers: &mut Wakers) {
        for id in 0..self.queues.len() {
            while let Some(entry) = self.queue(id).and_then(Queue::take_exhausted) {
                self.dead_letter(id, &entry, "delivery_limit", clock, wakers);
            }
        }
    }

    pub(super) fn next_expiry(&self) -> Option<Duration> {
        self.queues.iter().flatten().filter_map(Queue::next_expiry).min()
    }
}
