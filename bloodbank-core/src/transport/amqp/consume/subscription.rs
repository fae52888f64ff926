//! One consumer on one channel.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use futures_util::StreamExt;
use lapin::{
    Consumer,
    message::Delivery as Raw,
    options::{BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{
    Shared,
    acker::{Acker, Task},
    nap::Nap,
};
use crate::{
    error::{Error, ErrorKind},
    transport::{
        Delivery,
        amqp::{
            deadline::{CALL, within},
            declare::Refusal,
            fault::Fault,
            incoming::Reader,
            session::Session,
        },
    },
};

/// One consumer on one channel.
pub(super) struct Subscription {
    consumer: Consumer,
    /// The connection is given up, which lapin may learn much later.
    dead: Pin<Box<WaitForCancellationFutureOwned>>,
    acker: Arc<Acker>,
    reader: Reader,
    nap: Nap,
    /// The last delivery that was handed out.
    last: u64,
    /// It takes one message at a time until then.
    pub(super) cautious_until: Option<Instant>,
}

/// Opens a channel and consumes there, one message at a time until then.
pub(super) async fn subscribe(
    shared: &Shared,
    session: &Arc<Session>,
    queue: &str,
    prefetch: u16,
    cautious_until: Option<Instant>,
) -> Result<Subscription, Refusal> {
    let Ok(name) = ShortString::try_new(queue) else {
        return Err(Refusal::Refused(Error::new(
            ErrorKind::Topology,
            format!("the name of queue `{queue}` is longer than 255 bytes; shorten it"),
        )));
    };
    let prefetch = if cautious_until.is_some() { 1 } else { prefetch };
    let channel = session.channel().await.map_err(Refusal::Lost)?;
    let refused = |fault| refusal(session, queue, fault);
    within(CALL, channel.basic_qos(prefetch, BasicQosOptions::default())).await.map_err(refused)?;
    // The broker makes up the tag.
    let consumer = channel.basic_consume(name, "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let consumer = within(CALL, consumer).await.map_err(refused)?;
    let acker = Arc::new(Acker::default());
    let task = Task::new(&acker, channel, prefetch, session, shared);
    shared.ackers.spawn(task.run());
    let dead = Box::pin(session.dead());
    let nap = Nap::new(prefetch);
    Ok(Subscription { consumer, dead, acker, reader: Reader::default(), nap, last: 0, cautious_until })
}

fn refusal(session: &Session, queue: &str, fault: Fault) -> Refusal {
    let remedy = match &fault {
        Fault::Channel { code: 404, .. } => "declare it first, or correct its name",
        Fault::Channel { code: 403, .. } => "give the user the permission `read`, or close the exclusive consumer",
        Fault::Channel { .. } => "close the connection it belongs to, or choose another name",
        // One queue is ill; the other consumers of this connection must not suffer.
        Fault::Silence => {
            return Refusal::Refused(Error::new(
                ErrorKind::Connection,
                format!(
                    "queue `{queue}` cannot be consumed ({}); check that the node that holds it is up and try again",
                    fault.text()
                ),
            ));
        }
        Fault::Protocol { .. } | Fault::Lost { .. } => {
            session.suspect(&fault);
            return Refusal::Lost(fault);
        }
    };
    Refusal::Refused(Error::new(
        ErrorKind::Topology,
        format!("queue `{queue}` cannot be consumed ({}); {remedy}", fault.text()),
    ))
}

impl Subscription {
    /// The next delivery; `None` when the channel is gone or the broker has cancelled the consumer.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        ready!(self.nap.poll(context));
        // Not woken by the next one: perhaps there is no need to.
        let mut next = self.consumer.poll_next_unpin(&mut Context::from_waker(Waker::noop()));
        if next.is_pending() {
            if self.nap.begin() {
                ready!(self.nap.poll(context));
            }
            next = self.consumer.poll_next_unpin(context);
        }
        match next {
            Poll::Ready(Some(Ok(raw))) => Poll::Ready(Some(self.hand_out(raw))),
            Poll::Ready(Some(Err(_)) | None) => Poll::Ready(None),
            Poll::Pending => self.dead.as_mut().poll(context).map(|()| None),
        }
    }

    fn hand_out(&mut self, raw: Raw) -> Delivery {
        let Raw { delivery_tag, exchange, routing_key, redelivered, properties, data, acker: _ } = raw;
        self.last = delivery_tag;
        self.nap.handed_out();
        let message = self.reader.read(&exchange, &routing_key, &properties, data);
        Delivery::new(message, redelivered, Arc::clone(&self.acker) as _, delivery_tag)
    }

    /// Takes no more; what was handed out can still be settled.
    pub(super) fn retire(self) {
        self.acker.retire(self.consumer, self.last);
    }
}
