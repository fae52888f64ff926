//! The one task of a channel that tells the broker what became of its deliveries.
//!
//! It is the only one because acknowledgements of many deliveries must arrive in order. One speaks for many: each costs
//! the broker as much as a delivery, and this program two changes of task. So they wait for [`LULL`], or until the broker
//! might wait for them.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::{StreamExt, future::join_all};
use lapin::{
    Channel, Consumer,
    options::{BasicAckOptions, BasicCancelOptions, BasicRejectOptions},
};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::consume::{Shared, tracker::Tracker};
use crate::{
    deadline::{CALL, CLOSING, LAST_ACKS, within},
    session::Session,
};
use bloodbank_core::transport::Settle;

/// How long an acknowledgement waits for others.
const LULL: Duration = Duration::from_millis(5);
/// So many do not wait for more.
const MANY: usize = 256;
/// How long acknowledgements wait for an older delivery, so that one can speak for all.
const GAP: Duration = Duration::from_millis(5);
/// How long a channel outlives its last acknowledgements. With more than 32 commands on the way to a quorum queue the
/// broker keeps further acknowledgements in the process of the channel, and forgets them with it (seen on 3.10): what
/// they are about would be delivered again.
const LINGER: Duration = Duration::from_millis(100);

/// Takes the settlements of one channel. Those of a channel that is gone mean nothing any more: the broker delivers the
/// messages again.
#[derive(Default)]
pub(super) struct Acker(Mutex<Inbox>);

#[derive(Default)]
struct Inbox {
    settled: Vec<(u64, Settled)>,
    /// So many settlements are told at once.
    enough: usize,
    /// They are told at once.
    urgent: bool,
    /// The task sleeps until it is woken; else it looks here by itself, soon.
    idle: bool,
    retiring: Option<Retiring>,
    over: bool,
    /// The task, when it waits.
    task: Option<Waker>,
}

#[derive(Clone, Copy)]
enum Settled {
    Acked,
    Rejected { requeue: bool },
}

/// A consumer that takes no more; the channel lives on until what it took is settled.
struct Retiring {
    /// `None` when it is cancelled already.
    consumer: Option<Consumer>,
    /// The last delivery that was handed out.
    last: u64,
}

impl Settle for Acker {
    fn ack(&self, tag: u64) {
        self.settle(tag, Settled::Acked);
    }

    fn reject(&self, tag: u64, requeue: bool) {
        self.settle(tag, Settled::Rejected { requeue });
    }
}

impl Acker {
    fn settle(&self, tag: u64, how: Settled) {
        self.change(|inbox| {
            inbox.settled.push((tag, how));
            inbox.urgent |= inbox.settled.len() >= inbox.enough || matches!(how, Settled::Rejected { .. });
        });
    }

    /// Lets the channel end when everything up to the delivery `last` is settled.
    pub(super) fn retire(&self, consumer: Option<Consumer>, last: u64) {
        self.change(|inbox| {
            inbox.retiring = Some(Retiring { consumer, last });
            inbox.urgent = true;
        });
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the task has to do.
enum Work {
    /// Settlements came, or the consumer retires.
    Inbox,
    /// An older delivery has been open for long.
    Gap,
    /// The transport is being closed.
    Closing,
    /// The connection is gone.
    Dead,
}

pub(super) struct Task {
    acker: Arc<Acker>,
    channel: Channel,
    prefetch: usize,
    tracker: Tracker,
    settled: Vec<(u64, Settled)>,
    /// Begins anew with each acknowledgement that is written: while settlements come, none of them wakes the task.
    lull: Pin<Box<Sleep>>,
    lulls: bool,
    gap: Option<Pin<Box<Sleep>>>,
    /// When the last acknowledgement was written.
    told: Option<Instant>,
    dead: Pin<Box<WaitForCancellationFutureOwned>>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Task {
    pub(super) fn new(
        acker: &Arc<Acker>,
        channel: Channel,
        prefetch: u16,
        session: &Arc<Session>,
        shared: &Shared,
    ) -> Self {
        Self {
            acker: Arc::clone(acker),
            channel,
            prefetch: usize::from(prefetch),
            tracker: Tracker::new(),
            settled: Vec::new(),
            lull: Box::pin(sleep(LULL)),
            lulls: false,
            gap: None,
            told: None,
            dead: Box::pin(session.dead()),
            closing: Box::pin(shared.closing.clone().cancelled_owned()),
        }
    }

    pub(super) async fn run(mut self) {
        // A channel that fails has told its consumer, which starts anew elsewhere.
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
            // First of all: what is rejected would come back to this consumer, and count as delivered once more.
            if let Some(retiring) = retiring {
                last = Some(self.retire(retiring).await?);
            }
            match work {
                Work::Inbox => self.tell(false).await?,
                Work::Gap => self.tell(true).await?,
                Work::Closing => {
                    // Not in an orderly way if the broker is slow; then it delivers again.
                    let _ = tokio::time::timeout(LAST_ACKS, self.tell(true)).await;
                    return self.close().await;
                }
                Work::Dead => return Ok(()),
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
        if self.dead.as_mut().poll(context).is_ready() {
            return Poll::Ready(Work::Dead);
        }
        if self.closing.as_mut().poll(context).is_ready() {
            return Poll::Ready(Work::Closing);
        }
        if let Some(gap) = &mut self.gap
            && gap.as_mut().poll(context).is_ready()
        {
            self.gap = None;
            return Poll::Ready(Work::Gap);
        }
        Poll::Pending
    }

    /// Whether settlements came, and have waited for others.
    fn poll_inbox(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let over = self.lulls && self.lull.as_mut().poll(context).is_ready();
        self.lulls &= !over;
        let mut inbox = self.acker.lock();
        let some = !inbox.settled.is_empty();
        if inbox.urgent || (over && some) {
            return Poll::Ready(());
        }
        inbox.idle = !some && !self.lulls;
        inbox.task = Some(context.waker().clone());
        drop(inbox);
        if some && !self.lulls {
            self.begin_lull();
            if self.lull.as_mut().poll(context).is_ready() {
                self.lulls = false;
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    fn begin_lull(&mut self) {
        self.lull.as_mut().reset(Instant::now() + LULL);
        self.lulls = true;
    }

    /// Takes what is in the inbox.
    fn collect(&mut self) -> Option<Retiring> {
        let mut inbox = self.acker.lock();
        std::mem::swap(&mut inbox.settled, &mut self.settled);
        inbox.urgent = false;
        inbox.idle = false;
        inbox.retiring.take()
    }

    /// Tells the broker; with `everything` also what waits for an older delivery.
    async fn tell(&mut self, everything: bool) -> lapin::Result<()> {
        // Rejected ones first: an acknowledgement of many would take them along.
        let mut rejects = Vec::new();
        for (tag, how) in self.settled.drain(..) {
            match how {
                Settled::Acked => self.tracker.ack(tag),
                Settled::Rejected { requeue } => {
                    self.tracker.tell(tag);
                    rejects.push(self.channel.basic_reject(tag, BasicRejectOptions { requeue }));
                }
            }
        }
        for told in join_all(rejects).await {
            told?;
        }
        if let Some(tag) = self.tracker.prefix() {
            self.channel.basic_ack(tag, BasicAckOptions { multiple: true }).await?;
            self.told = Some(Instant::now());
        }
        let waiting = self.tracker.unsent();
        if waiting > 0 && (everything || waiting * 2 >= self.prefetch) {
            let each = BasicAckOptions { multiple: false };
            let tags = self.tracker.loose();
            for told in join_all(tags.into_iter().map(|tag| self.channel.basic_ack(tag, each))).await {
                told?;
            }
            self.told = Some(Instant::now());
        }
        let waits = self.tracker.unsent();
        if waits == 0 {
            self.gap = None;
        } else if self.gap.is_none() {
            self.gap = Some(Box::pin(sleep(GAP)));
        }
        // The broker goes on while it knows of half of what it sent.
        self.acker.lock().enough = (self.prefetch / 2).saturating_sub(waits).min(MANY);
        self.begin_lull();
        Ok(())
    }

    /// Stops the consumer and gives back what it had not handed out; the last delivery of the channel.
    async fn retire(&mut self, retiring: Retiring) -> lapin::Result<u64> {
        let Retiring { consumer, mut last } = retiring;
        let Some(mut consumer) = consumer else {
            self.tell(true).await?;
            return Ok(last);
        };
        let cancelled = within(CALL, self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()));
        if cancelled.await.is_err() {
            // Without that the channel is worth nothing; closing it gives everything back.
            return Ok(last);
        }
        // What is settled is told at once: whatever becomes of the rest, that shall not be delivered again.
        self.tell(true).await?;
        let mut back = Vec::new();
        let until = Instant::now() + CALL;
        while let Ok(Some(Ok(delivery))) = tokio::time::timeout_at(until, consumer.next()).await {
            last = last.max(delivery.delivery_tag);
            self.tracker.tell(delivery.delivery_tag);
            back.push(self.channel.basic_reject(delivery.delivery_tag, BasicRejectOptions { requeue: true }));
        }
        for told in join_all(back).await {
            told?;
        }
        self.tell(true).await?;
        Ok(last)
    }

    async fn close(&self) -> lapin::Result<()> {
        if let Some(told) = self.told {
            tokio::time::sleep_until(told + LINGER).await;
        }
        // The channel ends with the connection at the latest.
        let _ = within(CLOSING, self.channel.close(200, "bye".into())).await;
        Ok(())
    }
}
