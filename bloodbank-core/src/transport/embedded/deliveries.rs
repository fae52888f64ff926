//! The deliveries of one consumer of the embedded bus.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::Stream;

use super::{
    engine::{Engine, Wakers},
    queue::{ConsumerId, QueueId},
};
use crate::{
    error::Result,
    transport::{Delivery, Settle},
};

/// The deliveries of one consumer.
pub(super) struct EmbeddedDeliveries {
    consumer: Arc<Consumer>,
}

/// A consumer; also settles what it was given.
struct Consumer {
    engine: Arc<Engine>,
    queue: QueueId,
    id: ConsumerId,
}

impl EmbeddedDeliveries {
    pub(super) fn new(engine: &Arc<Engine>, queue: &str, prefetch: u16) -> Result<Self> {
        let mut state = engine.lock();
        state.check_open()?;
        let queue = state.queue_id(queue)?;
        let id = state.add_consumer(queue, prefetch);
        Ok(Self {
            consumer: Arc::new(Consumer {
                engine: Arc::clone(engine),
                queue,
                id,
            }),
        })
    }
}

impl Stream for EmbeddedDeliveries {
    type Item = Delivery;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let consumer = &self.consumer;
        let mut wakers = Wakers::default();
        let taken = {
            let mut state = consumer.engine.lock();
            if state.is_closed() {
                return Poll::Ready(None);
            }
            state.take(
                consumer.queue,
                consumer.id,
                consumer.engine.clock.now(),
                context.waker(),
                &mut wakers,
            )
        };
        wakers.wake();
        match taken {
            None => Poll::Pending,
            Some(entry) => {
                let settler = Arc::clone(consumer) as Arc<dyn Settle>;
                let message = Arc::unwrap_or_clone(entry.message);
                Poll::Ready(Some(Delivery::new(message, entry.returned > 0, settler, entry.seq)))
            }
        }
    }
}

impl Settle for Consumer {
    fn ack(&self, tag: u64) {
        let mut wakers = Wakers::default();
        self.engine.lock().ack(self.queue, tag, &mut wakers);
        wakers.wake();
    }

    fn reject(&self, tag: u64, requeue: bool) {
        let mut wakers = Wakers::default();
        self.engine
            .lock()
            .reject(self.queue, tag, requeue, self.engine.clock.now(), &mut wakers);
        wakers.wake();
    }
}

impl Drop for EmbeddedDeliveries {
    fn drop(&mut self) {
        let consumer = &self.consumer;
        let mut wakers = Wakers::default();
        let now = consumer.engine.clock.now();
        consumer
            .engine
            .lock()
            .remove_consumer(consumer.queue, consumer.id, now, &mut wakers);
        wakers.wake();
    }
}
