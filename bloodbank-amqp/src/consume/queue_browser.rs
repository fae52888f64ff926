//! Browsing a queue: one message at a time, on a channel of its own.

use std::{collections::VecDeque, sync::Arc};

use futures_util::future::BoxFuture;
use lapin::{
    Channel,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicRejectOptions},
    types::ShortString,
};
use parking_lot::Mutex;

use crate::{
    broker_fault::BrokerFault,
    declare::AttemptError,
    incoming::MessageDecoder,
    session::Session,
    timeout::{CALL_TIMEOUT, with_timeout},
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    transport::{Delivery, QueueBrowser, Settle},
};

/// The messages that waited in a queue when browsing began.
pub(super) struct AmqpQueueBrowser {
    channel: Channel,
    queue: ShortString,
    decoder: MessageDecoder,
    /// The next message, taken already: only the answer to `basic.get` says exactly how many messages wait.
    first: Option<BasicGetMessage>,
    /// The number of messages behind `first`.
    remaining: u32,
    settled: Arc<UnsentSettlements>,
    /// The number of settlements that were sent and may not have reached the queue.
    unconfirmed: usize,
}

/// The number of settlements after which the next ones wait until the queue has them. A channel holds settlements back while 32
/// of them are on the way to a quorum queue, and forgets them when it is closed.
const MAX_UNCONFIRMED: usize = 16;

/// The settlements that are not sent yet.
#[derive(Default)]
struct UnsentSettlements(Mutex<VecDeque<(u64, Settlement)>>);

/// The outcome of a delivery.
#[derive(Clone, Copy)]
enum Settlement {
    Acked,
    Rejected,
}

impl Settle for UnsentSettlements {
    fn ack(&self, tag: u64) {
        self.push(tag, Settlement::Acked);
    }

    fn reject(&self, tag: u64, requeue: bool) {
        // A message that is to be requeued goes back at the end: requeued now, it would be taken again.
        if !requeue {
            self.push(tag, Settlement::Rejected);
        }
    }
}

impl UnsentSettlements {
    fn push(&self, tag: u64, settlement: Settlement) {
        self.0.lock().push_back((tag, settlement));
    }

    fn first(&self) -> Option<(u64, Settlement)> {
        self.0.lock().front().copied()
    }

    fn remove_first(&self) {
        self.0.lock().pop_front();
    }
}

fn unavailable(queue: &str, fault: &BrokerFault) -> AttemptError {
    AttemptError::Unavailable(Error::new(
        ErrorKind::Connection,
        format!(
            "queue `{queue}` cannot be looked into ({}); check that it is no stream and that the node that holds it is up",
            fault.text()
        ),
    ))
}

impl AmqpQueueBrowser {
    pub(super) async fn open(session: &Session, queue: &str) -> Result<Self, AttemptError> {
        let missing = |why: &str| {
            AttemptError::Refused(Error::new(
                ErrorKind::Topology,
                format!("queue `{queue}` cannot be looked into ({why}); correct its name, or start what declares it"),
            ))
        };
        let name = ShortString::try_new(queue).map_err(|_| missing("its name is longer than 255 bytes"))?;
        let channel = session.channel().await.map_err(AttemptError::no_channel)?;
        let first = with_timeout(CALL_TIMEOUT, channel.basic_get(name.clone(), BasicGetOptions::default())).await;
        let first = first.map_err(|fault| match fault {
            BrokerFault::Channel { code: 405, .. } => AttemptError::Refused(Error::new(
                ErrorKind::Topology,
                format!(
                    "queue `{queue}` cannot be looked into, because it has one consumer at a time ({}); look at its dead letters, or at \
                     the history",
                    fault.text()
                ),
            )),
            BrokerFault::Channel { .. } => missing(fault.text()),
            BrokerFault::Unresponsive => unavailable(queue, &fault),
            // The broker ends the connection because of this queue, and would do so again.
            BrokerFault::Protocol { .. } => {
                session.fail(&fault);
                unavailable(queue, &fault)
            }
            BrokerFault::ConnectionLost { .. } => {
                session.fail(&fault);
                AttemptError::ConnectionLost(fault)
            }
        })?;
        let remaining = first.as_ref().map_or(0, |first| first.message_count);
        Ok(Self {
            channel: channel.keep(),
            queue: name,
            decoder: MessageDecoder::default(),
            first,
            remaining,
            settled: Arc::default(),
            unconfirmed: 0,
        })
    }

    async fn send_settlements(&mut self) -> Result<()> {
        while let Some((tag, settlement)) = self.settled.first() {
            if self.unconfirmed >= MAX_UNCONFIRMED {
                self.await_settlements().await?;
            }
            let sent = match settlement {
                Settlement::Acked => {
                    with_timeout(CALL_TIMEOUT, self.channel.basic_ack(tag, BasicAckOptions::default())).await
                }
                Settlement::Rejected => {
                    let options = BasicRejectOptions { requeue: false };
                    with_timeout(CALL_TIMEOUT, self.channel.basic_reject(tag, options)).await
                }
            };
            match sent {
                Ok(()) => {
                    self.settled.remove_first();
                    self.unconfirmed += 1;
                }
                Err(fault) => return Err(self.browse_error(&fault)),
            }
        }
        Ok(())
    }

    /// Waits until the queue has every settlement: it answers `basic.get` after everything before it.
    async fn await_settlements(&mut self) -> Result<()> {
        let got = self.channel.basic_get(self.queue.clone(), BasicGetOptions::default());
        let got = with_timeout(CALL_TIMEOUT, got).await.map_err(|fault| self.browse_error(&fault))?;
        self.unconfirmed = 0;
        // That message is the next to be returned; one beyond those that waited at the beginning goes back at the end.
        if self.first.is_none() && self.remaining > 0 {
            self.remaining = if got.is_some() { self.remaining - 1 } else { 0 };
            self.first = got;
        }
        Ok(())
    }

    async fn next_delivery(&mut self) -> Result<Option<Delivery>> {
        self.send_settlements().await?;
        let got = match self.first.take() {
            Some(first) => Some(first),
            None => {
                let Some(remaining) = self.remaining.checked_sub(1) else { return Ok(None) };
                let got = self.channel.basic_get(self.queue.clone(), BasicGetOptions::default());
                let got = with_timeout(CALL_TIMEOUT, got).await.map_err(|fault| self.browse_error(&fault))?;
                self.remaining = if got.is_some() { remaining } else { 0 };
                got
            }
        };
        let Some(BasicGetMessage { delivery, .. }) = got else { return Ok(None) };
        let lapin::message::Delivery { delivery_tag, exchange, routing_key, redelivered, properties, data, acker: _ } =
            delivery;
        let message = self.decoder.decode(&exchange, &routing_key, &properties, data);
        Ok(Some(Delivery::new(message, redelivered, Arc::clone(&self.settled) as _, delivery_tag)))
    }

    fn browse_error(&self, fault: &BrokerFault) -> Error {
        Error::new(
            ErrorKind::Connection,
            format!(
                "queue `{}` could not be looked through ({}); what was held is back in it: check that the broker is up and try again",
                self.queue,
                fault.text()
            ),
        )
    }
}

impl QueueBrowser for AmqpQueueBrowser {
    fn left(&self) -> usize {
        self.remaining as usize + usize::from(self.first.is_some())
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Option<Delivery>>> {
        Box::pin(self.next_delivery())
    }

    fn flush(&mut self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.send_settlements())
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            self.send_settlements().await?;
            if self.unconfirmed > 0 {
                self.await_settlements().await?;
            }
            // Requeues every unsettled message: explicitly, because a quorum queue learns of the channel's end only later, and not
            // as a rejection, which counts as a failure from RabbitMQ 4.3 on.
            let requeue = BasicNackOptions { multiple: true, requeue: true };
            with_timeout(CALL_TIMEOUT, self.channel.basic_nack(0, requeue))
                .await
                .map_err(|fault| self.browse_error(&fault))?;
            // The broker answers after it has done everything before.
            with_timeout(CALL_TIMEOUT, self.channel.close(200, "done".into()))
                .await
                .map_err(|fault| self.browse_error(&fault))
        })
    }
}
