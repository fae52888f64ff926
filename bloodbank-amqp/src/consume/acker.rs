//! The acker of a channel: one task that sends the settlements of all its deliveries.
//!
//! One task, because cumulative acknowledgements must arrive in order. An acknowledgement costs the broker as much as a delivery,
//! and this program two changes of task; therefore acknowledgements wait for [`ACK_DELAY`], or until the broker might wait for
//! them, and one is sent for many deliveries.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{StreamExt, future::join_all};
use lapin::{
    Channel, Consumer,
    options::{BasicAckOptions, BasicCancelOptions, BasicRejectOptions},
};
use parking_lot::{Mutex, MutexGuard};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::{sync::WaitForCancellationFutureOwned, task::task_tracker::TaskTrackerToken};

use crate::consume::{Shared, delivery_tracker::DeliveryTracker};
use crate::{
    session::Session,
    timeout::{CALL_TIMEOUT, CLOSE_TIMEOUT, FINAL_ACKS_TIMEOUT, with_timeout},
};
use bloodbank_core::transport::Settle;

/// The time for which an acknowledgement waits for others.
const ACK_DELAY: Duration = Duration::from_millis(5);
/// The number of acknowledgements that are sent without waiting for others.
const MAX_UNSENT_ACKS: usize = 256;
/// The time for which acknowledgements wait for an older delivery, so that one cumulative acknowledgement does for all.
const GAP_TIMEOUT: Duration = Duration::from_millis(5);
/// The time between the last acknowledgement and the closing of the channel. With more than 32 commands on the way to a quorum
/// queue, the broker keeps further acknowledgements in the process of the channel and forgets them with it (seen on 3.10):
/// their deliveries would come again.
const CLOSE_DELAY: Duration = Duration::from_millis(100);

/// Receives the settlements of one channel. Settlements of a closed channel are dropped: the broker delivers the messages
/// again.
#[derive(Default)]
pub(super) struct Acker(Mutex<Inbox>);

/// The settlements that the task has not collected yet.
#[derive(Default)]
struct Inbox {
    settled: Vec<(u64, Settled)>,
    /// The number of settlements that are sent at once.
    enough: usize,
    /// Whether the settlements are sent at once.
    urgent: bool,
    /// Whether the task sleeps until it is woken; otherwise a timer makes it look here soon.
    idle: bool,
    /// Whether settlements are held back.
    hold: bool,
    /// The number of deliveries that are settled with the broker, at most.
    sent: u64,
    retiring: Option<Retiring>,
    /// Whether the task has ended.
    over: bool,
    /// The waker of the task, while it waits.
    task: Option<Waker>,
}

/// The outcome of a delivery.
#[derive(Clone, Copy)]
enum Settled {
    Acked,
    Rejected { requeue: bool },
}

/// A consumer that takes no more deliveries. Its channel stays open until those it took are settled.
struct Retiring {
    /// `None` when the consumer is cancelled already.
    consumer: Option<Consumer>,
    /// The last delivery that was handed out.
    last: u64,
    /// Is waited for until its task ends.
    counted: TaskTrackerToken,
}

impl Settle for Acker {
    fn ack(&self, tag: u64) {
        self.settle(tag, Settled::Acked);
    }

    fn reject(&self, tag: u64, requeue: bool) {
        self.settle(tag, Settled::Rejected { requeue });
    }

    fn is_open(&self) -> bool {
        !self.lock().over
    }
}

impl Acker {
    fn settle(&self, tag: u64, outcome: Settled) {
        self.change(|inbox| {
            inbox.settled.push((tag, outcome));
            inbox.urgent |= inbox.settled.len() >= inbox.enough || matches!(outcome, Settled::Rejected { .. });
        });
    }

    /// Lets the channel end when everything up to the delivery `last` is settled.
    pub(super) fn retire(&self, consumer: Option<Consumer>, last: u64, counted: TaskTrackerToken) {
        self.change(|inbox| {
            inbox.retiring = Some(Retiring { consumer, last, counted });
            inbox.hold = false;
            inbox.urgent = true;
        });
    }

    /// Holds settlements back from now on, until the consumer retires or [`Self::go_on`], except for those that are just being sent.
    pub(super) fn hold(&self) {
        self.lock().hold = true;
    }

    pub(super) fn go_on(&self) {
        self.change(|inbox| {
            inbox.hold = false;
            inbox.urgent = true;
        });
    }

    /// The number of deliveries that are settled with the broker, at most.
    pub(super) fn sent(&self) -> u64 {
        self.lock().sent
    }

    fn change(&self, change: impl FnOnce(&mut Inbox)) {
        let task = {
            let mut inbox = self.lock();
            if inbox.over {
                return;
            }
            change(&mut inbox);
            if inbox.urgent || inbox.idle { inbox.task.take() } else { None }
        };
        if let Some(task) = task {
            task.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.0.lock()
    }
}

/// The reason why the task wakes up.
enum Work {
    /// Settlements have arrived, or the consumer retires.
    Inbox,
    /// An older delivery has been unsettled for [`GAP_TIMEOUT`].
    Gap,
    /// The transport is being closed.
    Closing,
    /// The connection is lost.
    ConnectionLost,
}

/// The task that sends the settlements of one channel.
pub(super) struct AckTask {
    acker: Arc<Acker>,
    channel: Channel,
    prefetch: usize,
    /// Whether the queue delivers to one consumer at a time. What comes back to it goes with the channel: by itself, each message would
    /// come again to this consumer, and then be behind those that it had before.
    single_active: bool,
    /// The consumer that ends with the channel: dropped, it would be cancelled.
    kept: Option<Consumer>,
    counted: Option<TaskTrackerToken>,
    tracker: DeliveryTracker,
    settled: Vec<(u64, Settled)>,
    /// The timer of [`ACK_DELAY`], restarted with each acknowledgement that is sent: while settlements keep arriving, none of them
    /// wakes the task.
    delay: Pin<Box<Sleep>>,
    delaying: bool,
    gap: Option<Pin<Box<Sleep>>>,
    /// The moment of the last acknowledgement.
    last_sent: Option<Instant>,
    connection_lost: Pin<Box<WaitForCancellationFutureOwned>>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl AckTask {
    pub(super) fn new(
        acker: &Arc<Acker>,
        channel: Channel,
        (prefetch, single_active): (u16, bool),
        session: &Arc<Session>,
        shared: &Shared,
    ) -> Self {
        Self {
            acker: Arc::clone(acker),
            channel,
            prefetch: usize::from(prefetch),
            single_active,
            kept: None,
            counted: None,
            tracker: DeliveryTracker::new(),
            settled: Vec::new(),
            delay: Box::pin(sleep(ACK_DELAY)),
            delaying: false,
            gap: None,
            last_sent: None,
            connection_lost: Box::pin(session.failed()),
            closing: Box::pin(shared.closing.clone().cancelled_owned()),
        }
    }

    pub(super) async fn run(mut self) {
        // The consumer of a failed channel has noticed too, and resumes on another channel.
        let _ = self.work().await;
        let left = {
            let mut inbox = self.acker.lock();
            inbox.over = true;
            (std::mem::take(&mut inbox.settled), inbox.retiring.take())
        };
        drop(left);
    }

    async fn work(&mut self) -> lapin::Result<()> {
        let mut last = None;
        loop {
            let work = poll_fn(|context| self.poll_work(context)).await;
            let retiring = self.collect();
            // The consumer is cancelled first: rejected messages would come back to it, and count as delivered once more.
            if let Some(retiring) = retiring {
                last = Some(self.retire(retiring).await?);
            }
            match work {
                Work::Inbox => self.send_acks(false).await?,
                Work::Gap => self.send_acks(true).await?,
                Work::Closing => {
                    // With a slow broker the time runs out, and the deliveries come again.
                    let _ = tokio::time::timeout(FINAL_ACKS_TIMEOUT, self.send_acks(true)).await;
                    return self.close().await;
                }
                Work::ConnectionLost => return Ok(()),
            }
            if last.is_some_and(|last| self.tracker.is_settled(last)) {
                return self.close().await;
            }
        }
    }

    fn poll_work(&mut self, context: &mut Context<'_>) -> Poll<Work> {
        if self.poll_inbox(context).is_ready() {
            return Poll::Ready(Work::Inbox);
        }
        if self.connection_lost.as_mut().poll(context).is_ready() {
            return Poll::Ready(Work::ConnectionLost);
        }
        if self.closing.as_mut().poll(context).is_ready() {
            return Poll::Ready(Work::Closing);
        }
        if !self.acker.lock().hold
            && let Some(gap) = &mut self.gap
            && gap.as_mut().poll(context).is_ready()
        {
            self.gap = None;
            return Poll::Ready(Work::Gap);
        }
        Poll::Pending
    }

    /// Ready when settlements have arrived and have waited for others.
    fn poll_inbox(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let over = self.delaying && self.delay.as_mut().poll(context).is_ready();
        self.delaying &= !over;
        let mut inbox = self.acker.lock();
        if inbox.hold {
            inbox.task = Some(context.waker().clone());
            return Poll::Pending;
        }
        let any = !inbox.settled.is_empty();
        if inbox.urgent || (over && any) {
            return Poll::Ready(());
        }
        inbox.idle = !any && !self.delaying;
        inbox.task = Some(context.waker().clone());
        drop(inbox);
        if any && !self.delaying {
            self.begin_delay();
            if self.delay.as_mut().poll(context).is_ready() {
                self.delaying = false;
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    fn begin_delay(&mut self) {
        self.delay.as_mut().reset(Instant::now() + ACK_DELAY);
        self.delaying = true;
    }

    /// Takes the settlements from the inbox.
    fn collect(&mut self) -> Option<Retiring> {
        let mut inbox = self.acker.lock();
        std::mem::swap(&mut inbox.settled, &mut self.settled);
        inbox.urgent = false;
        inbox.idle = false;
        // Until it is known what is sent: the broker never has settled more than that.
        inbox.sent = self.tracker.sent() + (self.tracker.unsent() + self.settled.len()) as u64;
        inbox.retiring.take()
    }

    /// Sends settlements to the broker; with `everything` also those that wait for an older delivery.
    async fn send_acks(&mut self, everything: bool) -> lapin::Result<()> {
        // Rejections first: a cumulative acknowledgement would include their deliveries.
        let mut rejects = Vec::new();
        for (tag, outcome) in self.settled.drain(..) {
            match outcome {
                Settled::Acked => self.tracker.ack(tag),
                Settled::Rejected { requeue: true } if self.single_active => self.tracker.leave(tag),
                Settled::Rejected { requeue } => {
                    self.tracker.mark_sent(tag);
                    rejects.push(self.channel.basic_reject(tag, BasicRejectOptions { requeue }));
                }
            }
        }
        for sent in join_all(rejects).await {
            sent?;
        }
        if let Some(tag) = self.tracker.take_cumulative() {
            self.channel.basic_ack(tag, BasicAckOptions { multiple: true }).await?;
            self.last_sent = Some(Instant::now());
        }
        let waiting = self.tracker.unsent();
        if waiting > 0 && (everything || waiting * 2 >= self.prefetch) {
            let individual = BasicAckOptions { multiple: false };
            let tags = self.tracker.take_individual();
            for sent in join_all(tags.into_iter().map(|tag| self.channel.basic_ack(tag, individual))).await {
                sent?;
            }
            self.last_sent = Some(Instant::now());
        }
        let waits = self.tracker.unsent();
        if waits == 0 {
            self.gap = None;
        } else if self.gap.is_none() {
            self.gap = Some(Box::pin(sleep(GAP_TIMEOUT)));
        }
        // The broker goes on sending while half of its deliveries are acknowledged.
        let mut inbox = self.acker.lock();
        inbox.enough = (self.prefetch / 2).saturating_sub(waits).min(MAX_UNSENT_ACKS);
        inbox.sent = self.tracker.sent();
        drop(inbox);
        self.begin_delay();
        Ok(())
    }

    /// Cancels the consumer and returns the deliveries that were not handed out to the queue. Returns the last delivery tag of
    /// the channel.
    async fn retire(&mut self, retiring: Retiring) -> lapin::Result<u64> {
        let Retiring { consumer, mut last, counted } = retiring;
        self.counted = Some(counted);
        let Some(mut consumer) = consumer else {
            self.send_acks(true).await?;
            return Ok(last);
        };
        if self.single_active {
            // Cancelled, it would let the next one begin, behind what this one holds. It ends with its channel instead, which gives
            // everything back at once.
            self.kept = Some(consumer);
            self.send_acks(true).await?;
            return Ok(last);
        }
        let cancelled =
            with_timeout(CALL_TIMEOUT, self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()));
        if cancelled.await.is_err() {
            // A channel that cannot cancel is closed, which returns everything to the queue.
            return Ok(last);
        }
        // Settlements are sent at once: whatever happens next, those deliveries must not come again.
        self.send_acks(true).await?;
        let mut back = Vec::new();
        let until = Instant::now() + CALL_TIMEOUT;
        while let Ok(Some(Ok(delivery))) = tokio::time::timeout_at(until, consumer.next()).await {
            last = last.max(delivery.delivery_tag);
            self.tracker.mark_sent(delivery.delivery_tag);
            back.push(self.channel.basic_reject(delivery.delivery_tag, BasicRejectOptions { requeue: true }));
        }
        for sent in join_all(back).await {
            sent?;
        }
        self.send_acks(true).await?;
        Ok(last)
    }

    async fn close(&self) -> lapin::Result<()> {
        if let Some(last_sent) = self.last_sent {
            tokio::time::sleep_until(last_sent + CLOSE_DELAY).await;
        }
        // The channel ends with its connection at the latest.
        let _ = with_timeout(CLOSE_TIMEOUT, self.channel.close(200, "bye".into())).await;
        Ok(())
    }
}
