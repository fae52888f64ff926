//! Settling of messages that were taken, and expiry of those whose time is over.

use std::{sync::Arc, time::Duration};

use crate::{
    changes::Record,
    clock::Clock,
    death,
    engine::State,
    queue::{Entry, Queue, QueueId},
    wakers::Wakers,
};

impl State {
    pub(super) fn ack(&mut self, queue: QueueId, seq: u64, wakers: &mut Wakers) {
        let Some(state) = self.queue(queue) else { return };
        let kept = state.is_durable();
        let Some((entry, waker)) = state.settle(seq) else {
            return;
        };
        wakers.add(waker);
        if kept {
            self.changes.append(|| Record::Removed(queue, seq, entry.id));
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

    fn put_back(&mut self, queue: QueueId, entry: Entry, wakers: &mut Wakers) {
        let Some(state) = self.queue(queue) else { return };
        let kept = state.is_durable();
        let returned = Record::Returned(queue, entry.seq, entry.returned);
        wakers.add(state.put_back(entry));
        if kept {
            self.changes.append(|| returned);
        }
        self.watch(queue);
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
        if kept || !moved.is_empty() {
            self.changes.append(|| Record::Moved(queue, entry.seq, entry.id, moved.clone()));
        }
        for (queue, entry) in moved {
            self.put(queue, entry, wakers);
        }
    }

    /// Moves what has expired; returns when the next message expires, and the timer looks again then.
    pub(super) fn expire(&mut self, clock: &Clock, wakers: &mut Wakers) -> Option<Duration> {
        let now = clock.now();
        for id in 0..self.queues.len() {
            while let Some(expired) = self.queue(id).and_then(|queue| queue.take_expired(|| now)) {
                self.dead_letter(id, &expired, "expired", clock, wakers);
            }
        }
        self.timer_at = self.next_expiry();
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
