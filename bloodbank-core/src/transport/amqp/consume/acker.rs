//! The one task of a channel that tells the broker what became of its deliveries.
//!
//! It is the only one because acknowledgements of many deliveries must arrive in order. It writes what has completed
//! while it was writing before: under load one acknowledgement speaks for many deliveries, otherwise nothing waits.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
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

use super::{Shared, tracker::Tracker};
use crate::transport::{
    Settle,
    amqp::{
        deadline::{CALL, CLOSING, LAST_ACKS, within},
        session::Session,
    },
};

/// How long acknowledgements wait for an older delivery, so that one can speak for all.
const GAP: Duration = Duration::from_millis(5);
/// How long a channel outlives its last acknowledgements. With more than 32 commands on the way to a quorum queue the
/// broker keeps further acknowledgements in the process of the channel, and forgets them with it (seen on 3.10): what
/// they are about would be delivered again.
const LINGER: Duration = Duration::from_millis(100);

/// Takes the settlements of one channel. Those of a channel that is gone mean nothing any more: the broker delivers the
/// messages again.
#[derive(Default)]
pub(super) struct Acker {
    inbox: Mutex<Inbox>,
    /// Acknowledgements wait for an older delivery.
    waiting: AtomicBool,
}

#[derive(Default)]
struct Inbox {
    settled: Vec<(u64, Settled)>,
    /// The consumer has nothing to do.
    starving: bool,
    retiring: Option<Retiring>,
    over: bool,
    /// The task, when it sleeps.
    task: Option<Waker>,
}

#[derive(Clone, Copy)]
enum Settled {
    Acked,
    Rejected { requeue: bool },
}

/// A consumer that takes no more; the channel lives on until what it took is settled.
struct Retiring {
    consumer: Consumer,
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
            if !inbox.over {
                inbox.settled.push((tag, how));
            }
        });
    }

    /// The consumer waits for deliveries; perhaps the broker waits for acknowledgements.
    pub(super) fn starve(&self) {
        if self.waiting.load(Ordering::Relaxed) {
            self.change(|inbox| inbox.starving = true);
        }
    }

    /// Lets the channel end when everything up to the delivery `last` is settled.
    pub(super) fn retire(&self, consumer: Consumer, last: u64) {
        self.change(|inbox| {
            if !inbox.over {
                inbox.retiring = Some(Retiring { consumer, last });
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Inbox)) {
        let task = {
            let mut inbox = self.lock();
            change(&mut inbox);
            inbox.task.take()
        };
        if let Some(task) = task {
            task.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the task has to do.
enum Work {
    /// Settlements came, or the consumer starves, or it retires.
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
    gap: Option<Pin<Box<Sleep>>>,
    /// When the last acknowledgement was written.
    told: Option<Instant>,
    dead: Pin<Box<WaitForCancellationFutureOwned>>,
    closing: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Task {
    pub(super) fn new(acker: &Arc<Acker>, channel: Channel, prefetch: u16, session: &Session, shared: &Shared) -> Self {
        Self {
            acker: Arc::clone(acker),
            channel,
            prefetch: usize::from(prefetch),
            tracker: Tracker::new(),
            settled: Vec::new(),
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
            let (starving, retiring) = self.collect();
            // First of all: what is rejected would come back to this consumer, and count as delivered once more.
            if let Some(retiring) = retiring {
                last = Some(self.retire(retiring).await?);
            }
            match work {
                Work::Inbox => self.tell(starving).await?,
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
        {
            let mut inbox = self.acker.lock();
            if !inbox.settled.is_empty() || inbox.starving || inbox.retiring.is_some() {
                return Poll::Ready(Work::Inbox);
            }
            inbox.task = Some(context.waker().clone());
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

    /// Takes what is in the inbox.
    fn collect(&mut self) -> (bool, Option<Retiring>) {
        let mut inbox = self.acker.lock();
        std::mem::swap(&mut inbox.settled, &mut self.settled);
        (std::mem::take(&mut inbox.starving), inbox.retiring.take())
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
        let waits = self.tracker.unsent() > 0;
        self.acker.waiting.store(waits, Ordering::Relaxed);
        if waits && self.gap.is_none() {
            self.gap = Some(Box::pin(sleep(GAP)));
        } else if !waits {
            self.gap = None;
        }
        Ok(())
    }

    /// Stops the consumer and gives back what it had not handed out; the last delivery of the channel.
    async fn retire(&mut self, retiring: Retiring) -> lapin::Result<u64> {
        let Retiring { mut consumer, mut last } = retiring;
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
