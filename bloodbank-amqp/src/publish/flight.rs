//! The messages in flight on a channel, from the hand-over to lapin to the confirm.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use futures_util::{Stream, stream::FuturesUnordered};
use lapin::{Channel, Confirmation, PublisherConfirm, options::BasicPublishOptions};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::ReusableBoxFuture;

use crate::outgoing::Frame;

/// How long the oldest confirm may be the only one that is looked at.
const PATIENCE: Duration = Duration::from_millis(20);
/// So many in flight are many: the broker has enough to do while some confirms wait for others.
const MANY: usize = 32;
/// Which part of those in flight is dealt with at once.
const SHARE: usize = 8;
/// How long confirms wait for each other at most.
const GROUPING: Duration = Duration::from_millis(3);

/// The number of a message and what became of it.
type Landed = (u64, lapin::Result<Confirmation>);

/// Written to the connection; the confirm is to come. Large, more than the allocator hands out quickly, so the box is
/// used again.
type Write<'a> = ReusableBoxFuture<'a, lapin::Result<PublisherConfirm>>;

/// The messages that are in flight on a channel.
pub(super) struct Flights<'a> {
    channel: &'a Channel,
    /// Not written yet. They are written in order, so only the first one wakes us: one wake for a burst.
    writing: VecDeque<(u64, Write<'a>)>,
    /// Confirmed in order as a rule, so again only the first one wakes us.
    confirming: VecDeque<Confirming>,
    /// Later ones were confirmed before these: a slow queue must not hold up what goes to others.
    overtaken: FuturesUnordered<Confirming>,
    landed: VecDeque<Landed>,
    patience: Pin<Box<Sleep>>,
    grouping: Pin<Box<Sleep>>,
    /// The number of the message whose confirm is waited for while others are gathered.
    last_of_group: Option<u64>,
    /// A first one was confirmed since patience began.
    moved: bool,
    spare: Vec<Write<'a>>,
}

impl<'a> Flights<'a> {
    pub(super) fn on(channel: &'a Channel) -> Self {
        Self {
            channel,
            writing: VecDeque::new(),
            confirming: VecDeque::new(),
            overtaken: FuturesUnordered::new(),
            landed: VecDeque::new(),
            patience: Box::pin(sleep(PATIENCE)),
            grouping: Box::pin(sleep(GROUPING)),
            last_of_group: None,
            moved: true,
            spare: Vec::new(),
        }
    }

    /// Hands a message to lapin.
    pub(super) fn launch(&mut self, number: u64, frame: Frame) {
        let write = write(self.channel, frame);
        let mut write = match self.spare.pop() {
            Some(mut spare) => {
                spare.set(write);
                spare
            }
            None => ReusableBoxFuture::new(write),
        };
        match write.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(written) => self.written(number, written, write),
            Poll::Pending => self.writing.push_back((number, write)),
        }
    }

    pub(super) fn poll_landed(&mut self, context: &mut Context<'_>) -> Poll<Landed> {
        while let Some((_, write)) = self.writing.front_mut() {
            let Poll::Ready(written) = write.poll(context) else {
                break;
            };
            if let Some((number, write)) = self.writing.pop_front() {
                self.written(number, written, write);
            }
        }
        loop {
            if let Some(landed) = self.landed.pop_front() {
                return Poll::Ready(landed);
            }
            if let Poll::Ready((index, landed)) = self.poll_group(context) {
                self.confirming.remove(index);
                if index == 0 {
                    self.moved = true;
                } else {
                    // lapin hands out what came back with whichever confirm is asked first, so it must be all of them.
                    self.look_behind();
                }
                return Poll::Ready(landed);
            }
            if let Poll::Ready(Some(landed)) = Pin::new(&mut self.overtaken).poll_next(context) {
                return Poll::Ready(landed);
            }
            if self.confirming.len() < 2 || self.patience.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.patience.as_mut().reset(Instant::now() + PATIENCE);
            if !std::mem::take(&mut self.moved) {
                self.look_behind();
            }
        }
    }

    /// The oldest confirm, as a rule, and its place. Where many are in flight it is looked at when one behind it is confirmed,
    /// or after a moment: being woken by each costs as much as dealing with it.
    fn poll_group(&mut self, context: &mut Context<'_>) -> Poll<(usize, Landed)> {
        let in_flight = self.confirming.len();
        if in_flight < MANY {
            return self.poll_at(0, context);
        }
        let polled = self.poll_at(0, &mut Context::from_waker(Waker::noop()));
        let (false, Some(first)) = (polled.is_ready(), self.confirming.front()) else { return polled };
        let first = first.number;
        let last = match self.last_of_group {
            Some(last) if last >= first => last,
            _ => {
                self.grouping.as_mut().reset(Instant::now() + GROUPING);
                *self.last_of_group.insert(first + (in_flight / SHARE) as u64)
            }
        };
        // Its place, as long as all are confirmed in order.
        let polled = self.poll_at(usize::try_from(last - first).unwrap_or(in_flight), context);
        if polled.is_ready() {
            return polled;
        }
        ready!(self.grouping.as_mut().poll(context));
        self.last_of_group = None;
        self.poll_at(0, context)
    }

    fn poll_at(&mut self, index: usize, context: &mut Context<'_>) -> Poll<(usize, Landed)> {
        let Some(confirming) = self.confirming.get_mut(index) else { return Poll::Pending };
        Pin::new(confirming).poll(context).map(|landed| (index, landed))
    }

    /// Finds what was confirmed behind the first one.
    fn look_behind(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let mut open = VecDeque::with_capacity(self.confirming.len());
        for mut confirming in self.confirming.drain(..) {
            match Pin::new(&mut confirming).poll(&mut context) {
                Poll::Ready(landed) => {
                    self.landed.push_back(landed);
                    self.overtaken.extend(open.drain(..));
                }
                Poll::Pending => open.push_back(confirming),
            }
        }
        self.confirming = open;
    }

    fn written(&mut self, number: u64, written: lapin::Result<PublisherConfirm>, write: Write<'a>) {
        self.spare.push(write);
        match written {
            Ok(confirm) => self.confirming.push_back(Confirming { number, confirm }),
            // One failure is the end of the channel.
            Err(error) => self.landed.push_back((number, Err(error))),
        }
    }
}

struct Confirming {
    number: u64,
    confirm: PublisherConfirm,
}

impl Future for Confirming {
    type Output = Landed;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Landed> {
        let confirmation = ready!(Pin::new(&mut self.confirm).poll(context));
        Poll::Ready((self.number, confirmation))
    }
}

async fn write(channel: &Channel, frame: Frame) -> lapin::Result<PublisherConfirm> {
    let Frame { exchange, routing_key, properties, body, mandatory } = frame;
    let options = BasicPublishOptions { mandatory, immediate: false };
    channel.basic_publish(exchange, routing_key, options, &body, properties).await
}
