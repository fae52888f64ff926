//! A subscription: one consumer on one channel.

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
use tokio_util::{sync::WaitForCancellationFutureOwned, task::TaskTracker};

use crate::consume::{
    Shared,
    acker::{AckTask, Acker},
    prefetch::{NextLevel, Prefetch, PrefetchLevel, Step},
    starter::unavailable,
    wakeup_throttle::WakeupThrottle,
};
use crate::{
    broker_fault::BrokerFault,
    declare::AttemptError,
    incoming::MessageDecoder,
    session::Session,
    timeout::{CALL_TIMEOUT, with_timeout},
};
use bloodbank_core::{Error, ErrorKind, transport::Delivery};

/// One consumer on one channel.
pub(super) struct Subscription {
    channel: Channel,
    consumer: Consumer,
    /// Resolves when the connection is given up, which lapin may notice much later.
    connection_lost: Pin<Box<WaitForCancellationFutureOwned>>,
    session: Arc<Session>,
    acker: Arc<Acker>,
    decoder: MessageDecoder,
    throttle: WakeupThrottle,
    /// The tag of the last delivery that was handed out.
    last: u64,
    step: Option<Step>,
    /// Counts those whose last settlements are not sent yet.
    retiring: TaskTracker,
    /// Whether the queue delivers to one consumer at a time.
    single_active: bool,
    /// The cancellation of the consumer, while one is under way.
    stopping: Option<BoxFuture<'static, Result<(), BrokerFault>>>,
}

/// Opens a channel and starts a consumer on it.
pub(super) async fn subscribe(
    shared: &Shared,
    session: &Arc<Session>,
    queue: &str,
    prefetch: Prefetch,
    level: PrefetchLevel,
) -> Result<Subscription, AttemptError> {
    let Ok(name) = ShortString::try_new(queue) else {
        return Err(AttemptError::Refused(Error::new(
            ErrorKind::Topology,
            format!("the name of queue `{queue}` is longer than 255 bytes; shorten it"),
        )));
    };
    let step = Step::from(level, prefetch, session);
    let prefetch = level.prefetch(prefetch);
    let channel = session.channel().await.map_err(AttemptError::no_channel)?;
    let refused = |fault| refusal(session, queue, fault);
    with_timeout(CALL_TIMEOUT, channel.basic_qos(prefetch, BasicQosOptions::default())).await.map_err(refused)?;
    // The broker chooses the consumer tag.
    let consumer = channel.basic_consume(name, "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let consumer = with_timeout(CALL_TIMEOUT, consumer).await.map_err(refused)?;
    let (channel, acker) = (channel.keep(), Arc::new(Acker::default()));
    let single_active = shared.declared.is_single_active(queue);
    let task = AckTask::new(&acker, channel.clone(), (prefetch, single_active), session, shared);
    shared.ackers.spawn(task.run());
    Ok(Subscription {
        channel,
        consumer,
        connection_lost: Box::pin(session.failed()),
        session: Arc::clone(session),
        acker,
        decoder: MessageDecoder::default(),
        throttle: WakeupThrottle::new(prefetch),
        last: 0,
        step,
        retiring: shared.retiring.clone(),
        single_active,
        stopping: None,
    })
}

/// The error of an attempt to consume.
fn refusal(session: &Session, queue: &str, fault: BrokerFault) -> AttemptError {
    let remedy = match &fault {
        BrokerFault::Channel { code: 404, .. } => "declare it first, or correct its name",
        BrokerFault::Channel { code: 403, .. } => {
            "give the user the permission `read`, or close the exclusive consumer"
        }
        BrokerFault::Channel { .. } => "close the connection it belongs to, or choose another name",
        // The other consumers of this connection must go on.
        BrokerFault::Unresponsive => return AttemptError::Unavailable(unavailable(queue, &fault)),
        BrokerFault::Protocol { .. } | BrokerFault::ConnectionLost { .. } => {
            session.fail(&fault);
            return AttemptError::ConnectionLost(fault);
        }
    };
    AttemptError::Refused(Error::new(
        ErrorKind::Topology,
        format!("queue `{queue}` cannot be consumed ({}); {remedy}", fault.text()),
    ))
}

impl Subscription {
    /// The next delivery; `None` when the channel is closed, the broker has cancelled the consumer, or a consumer with a larger
    /// prefetch is to follow.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        // One of several takes its turn when another one ends: a larger prefetch is not worth that.
        if self.stopping.is_none()
            && !self.single_active
            && let Some(step) = &mut self.step
            && step.is_due(&self.acker, self.last, context)
        {
            let (channel, tag) = (self.channel.clone(), self.consumer.tag());
            let cancel = async move {
                with_timeout(CALL_TIMEOUT, channel.basic_cancel(tag, BasicCancelOptions::default())).await
            };
            self.stopping = Some(cancel.boxed());
        }
        ready!(self.throttle.poll(context));
        // Polled without a waker: the throttle may decide that the next delivery need not wake this task.
        let mut next = self.consumer.poll_next_unpin(&mut Context::from_waker(Waker::noop()));
        if next.is_pending() {
            if self.throttle.begin() {
                ready!(self.throttle.poll(context));
            }
            next = self.consumer.poll_next_unpin(context);
        }
        match next {
            Poll::Ready(Some(Ok(raw))) => Poll::Ready(Some(self.hand_out(raw))),
            Poll::Ready(Some(Err(_)) | None) => Poll::Ready(None),
            Poll::Pending => self.poll_end(context).map(|()| None),
        }
    }

    /// Ready when no more deliveries will come, although the consumer's stream has not ended.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(stopping) = &mut self.stopping
            && let Poll::Ready(stopped) = stopping.as_mut().poll(context)
        {
            // Deliveries that have arrived are handed out before the stream ends by itself.
            self.stopping = Some(pending().boxed());
            if stopped.is_err() {
                return Poll::Ready(());
            }
        }
        self.connection_lost.as_mut().poll(context)
    }

    /// Decodes a delivery and counts it.
    fn hand_out(&mut self, raw: Raw) -> Delivery {
        let Raw { delivery_tag, exchange, routing_key, redelivered, properties, data, acker: _ } = raw;
        self.last = delivery_tag;
        self.throttle.handed_out();
        if let Some(step) = &mut self.step {
            step.handed_out(data.len());
        }
        let message = self.decoder.decode(&exchange, &routing_key, &properties, data);
        Delivery::new(message, redelivered, Arc::clone(&self.acker) as _, delivery_tag)
    }

    /// Stops the consumer; deliveries that were handed out can still be settled. Returns the session and the level at which the
    /// next consumer may start there.
    pub(super) fn retire(self) -> Option<NextLevel> {
        if self.stopping.is_none() {
            self.acker.retire(Some(self.consumer), self.last, self.retiring.token());
            return None;
        }
        self.acker.retire(None, self.last, self.retiring.token());
        self.step.map(|step| (self.session, step.next()))
    }
}
