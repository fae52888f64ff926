//! Looking into a queue: one message at a time, on a channel of its own.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::BoxFuture;
use lapin::{
    Channel,
    message::BasicGetMessage,
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicRejectOptions},
    types::ShortString,
};

use crate::{
    deadline::{CALL, within},
    declare::Refusal,
    fault::Fault,
    incoming::Reader,
    session::Session,
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    transport::{Delivery, Fetch, Settle},
};

/// What waits in a queue.
pub(super) struct AmqpFetch {
    channel: Channel,
    queue: ShortString,
    reader: Reader,
    /// Taken when this began: only an answer to taking says exactly how many there are.
    first: Option<BasicGetMessage>,
    /// How many are left behind the first.
    left: u32,
    settled: Arc<Settled>,
    /// So many settlements were told of which the queue may not have heard.
    unheard: usize,
}

/// A channel holds back what it tells a quorum queue when the queue has not yet heard of 32 before, and forgets it when it is
/// closed.
const UNHEARD: usize = 16;

/// What was settled and is not yet told.
#[derive(Default)]
struct Settled(Mutex<VecDeque<(u64, How)>>);

#[derive(Clone, Copy)]
enum How {
    Acked,
    GivenUp,
}

impl Settle for Settled {
    fn ack(&self, tag: u64) {
        self.push(tag, How::Acked);
    }

    fn reject(&self, tag: u64, requeue: bool) {
        // What goes back goes back at the end: given back now, it would be taken again.
        if !requeue {
            self.push(tag, How::GivenUp);
        }
    }
}

impl Settled {
    fn push(&self, tag: u64, how: How) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back((tag, how));
    }

    fn first(&self) -> Option<(u64, How)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).front().copied()
    }

    fn told(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    }
}

impl AmqpFetch {
    pub(super) async fn open(session: &Session, queue: &str) -> Result<Self, Refusal> {
        let missing = |why: &str| {
            Refusal::Refused(Error::new(
                ErrorKind::Topology,
                format!("queue `{queue}` cannot be looked into ({why}); correct its name, or start what declares it"),
            ))
        };
        let name = ShortString::try_new(queue).map_err(|_| missing("its name is longer than 255 bytes"))?;
        let channel = session.channel().await.map_err(Refusal::Lost)?;
        let first = within(CALL, channel.basic_get(name.clone(), BasicGetOptions::default())).await;
        let first = first.map_err(|fault| match fault {
            Fault::Channel { .. } | Fault::Silence => missing(fault.text()),
            Fault::Protocol { .. } | Fault::Lost { .. } => {
                session.suspect(&fault);
                Refusal::Lost(fault)
            }
        })?;
        let left = first.as_ref().map_or(0, |first| first.message_count);
        Ok(Self { channel, queue: name, reader: Reader::default(), first, left, settled: Arc::default(), unheard: 0 })
    }

    async fn tell(&mut self) -> Result<()> {
        while let Some((tag, how)) = self.settled.first() {
            if self.unheard >= UNHEARD {
                self.be_heard().await?;
            }
            let told = match how {
                How::Acked => within(CALL, self.channel.basic_ack(tag, BasicAckOptions::default())).await,
                How::GivenUp => {
                    let options = BasicRejectOptions { requeue: false };
                    within(CALL, self.channel.basic_reject(tag, options)).await
                }
            };
            match told {
                Ok(()) => {
                    self.settled.told();
                    self.unheard += 1;
                }
                Err(fault) => return Err(self.lost(&fault)),
            }
        }
        Ok(())
    }

    /// Waits until the queue has heard of every settlement: it answers a taking after everything before it.
    async fn be_heard(&mut self) -> Result<()> {
        let got = self.channel.basic_get(self.queue.clone(), BasicGetOptions::default());
        let got = within(CALL, got).await.map_err(|fault| self.lost(&fault))?;
        self.unheard = 0;
        // The next that is asked for; one that came later, or has none to follow it, goes back at the end.
        if self.first.is_none() && self.left > 0 {
            self.left = if got.is_some() { self.left - 1 } else { 0 };
            self.first = got;
        }
        Ok(())
    }

    async fn take(&mut self) -> Result<Option<Delivery>> {
        self.tell().await?;
        let got = match self.first.take() {
            Some(first) => Some(first),
            None => {
                let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
                let got = self.channel.basic_get(self.queue.clone(), BasicGetOptions::default());
                let got = within(CALL, got).await.map_err(|fault| self.lost(&fault))?;
                self.left = if got.is_some() { left } else { 0 };
                got
            }
        };
        let Some(BasicGetMessage { delivery, .. }) = got else { return Ok(None) };
        let lapin::message::Delivery { delivery_tag, exchange, routing_key, redelivered, properties, data, acker: _ } =
            delivery;
        let message = self.reader.read(&exchange, &routing_key, &properties, data);
        Ok(Some(Delivery::new(message, redelivered, Arc::clone(&self.settled) as _, delivery_tag)))
    }

    fn lost(&self, fault: &Fault) -> Error {
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

impl Fetch for AmqpFetch {
    fn left(&self) -> usize {
        self.left as usize + usize::from(self.first.is_some())
    }

    fn next(&mut self) -> BoxFuture<'_, Result<Option<Delivery>>> {
        Box::pin(self.take())
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        Box::pin(async move {
            self.tell().await?;
            if self.unheard > 0 {
                self.be_heard().await?;
            }
            // All that is left. Said, because a quorum queue learns of the channel's end only later; and not as a
            // rejection, which would count as a failure from RabbitMQ 4.3 on.
            let back = BasicNackOptions { multiple: true, requeue: true };
            within(CALL, self.channel.basic_nack(0, back)).await.map_err(|fault| self.lost(&fault))?;
            // The answer comes after everything before it was done.
            within(CALL, self.channel.close(200, "done".into())).await.map_err(|fault| self.lost(&fault))
        })
    }
}
