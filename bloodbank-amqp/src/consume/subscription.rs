//! One consumer on one channel.

use std::{
    future::pending,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use lapin::{
    Channel, Consumer,
    message::Delivery as Raw,
    options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions},
    types::{FieldTable, ShortString},
};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::consume::{
    Shared,
    acker::{Acker, Task},
    caution::{Caution, Width},
    nap::Nap,
};
use crate::{
    deadline::{CALL, within},
    declare::Refusal,
    fault::Fault,
    incoming::Reader,
    session::Session,
};
use bloodbank_core::{Error, ErrorKind, transport::Delivery};

/// One consumer on one channel.
pub(super) struct Subscription {
    channel: Channel,
    consumer: Consumer,
    /// The connection is given up, which lapin may learn much later.
    dead: Pin<Box<WaitForCancellationFutureOwned>>,
    session: Arc<Session>,
    acker: Arc<Acker>,
    reader: Reader,
    nap: Nap,
    /// The last delivery that was handed out.
    last: u64,
    caution: Option<Caution>,
    /// It takes no more; with an error when the broker does not say so.
    stopping: Option<BoxFuture<'static, Result<(), Fault>>>,
}

/// Opens a channel and consumes there.
pub(super) async fn subscribe(
    shared: &Shared,
    session: &Arc<Session>,
    queue: &str,
    prefetch: u16,
    width: Width,
) -> Result<Subscription, Refusal> {
    let Ok(name) = ShortString::try_new(queue) else {
        return Err(Refusal::Refused(Error::new(
            ErrorKind::Topology,
            format!("the name of queue `{queue}` is longer than 255 bytes; shorten it"),
        )));
    };
    let caution = Caution::new(session, width, prefetch);
    let prefetch = width.prefetch(prefetch);
    let channel = session.channel().await.map_err(Refusal::Lost)?;
    let refused = |fault| refusal(session, queue, fault);
    within(CALL, channel.basic_qos(prefetch, BasicQosOptions::default())).await.map_err(refused)?;
    // The broker makes up the tag.
    let consumer = channel.basic_consume(name, "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let consumer = within(CALL, consumer).await.map_err(refused)?;
    let acker = Arc::new(Acker::default());
    let task = Task::new(&acker, channel.clone(), prefetch, session, shared);
    shared.ackers.spawn(task.run());
    Ok(Subscription {
        channel,
        consumer,
        dead: Box::pin(session.dead()),
        session: Arc::clone(session),
        acker,
        reader: Reader::default(),
        nap: Nap::new(prefetch),
        last: 0,
        caution,
        stopping: None,
    })
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
    /// The next delivery; `None` when the channel is gone, the broker has cancelled the consumer, or it may be wider.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        if self.stopping.is_none()
            && let Some(caution) = &mut self.caution
            && caution.is_over(context)
        {
            let (channel, tag) = (self.channel.clone(), self.consumer.tag());
            let cancel = async move { within(CALL, channel.basic_cancel(tag, BasicCancelOptions::default())).await };
            self.stopping = Some(cancel.boxed());
        }
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
            Poll::Pending => self.poll_end(context).map(|()| None),
        }
    }

    /// Whether nothing comes any more, although the channel does not say so.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(stopping) = &mut self.stopping
            && let Poll::Ready(stopped) = stopping.as_mut().poll(context)
        {
            // What has arrived is handed out before the stream ends by itself.
            self.stopping = Some(pending().boxed());
            if stopped.is_err() {
                return Poll::Ready(());
            }
        }
        self.dead.as_mut().poll(context)
    }

    fn hand_out(&mut self, raw: Raw) -> Delivery {
        let Raw { delivery_tag, exchange, routing_key, redelivered, properties, data, acker: _ } = raw;
        self.last = delivery_tag;
        self.nap.handed_out();
        if let Some(caution) = &mut self.caution {
            caution.handed_out();
        }
        let message = self.reader.read(&exchange, &routing_key, &properties, data);
        Delivery::new(message, redelivered, Arc::clone(&self.acker) as _, delivery_tag)
    }

    /// Takes no more; what was handed out can still be settled. On its connection the next one may be so wide.
    pub(super) fn retire(self) -> Option<(Arc<Session>, Width)> {
        if self.stopping.is_none() {
            self.acker.retire(Some(self.consumer), self.last);
            return None;
        }
        self.acker.retire(None, self.last);
        self.caution.map(|caution| (self.session, caution.next()))
    }
}
