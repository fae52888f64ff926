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

use crate::outgoing::EncodedMessage;

/// The time after which younger confirms are looked at, when the oldest has not arrived.
const REORDER_DELAY: Duration = Duration::from_millis(20);
/// The number of messages in flight from which confirms are grouped: the broker has enough to do meanwhile.
const MIN_IN_FLIGHT_TO_GROUP: usize = 32;
/// The size of a group: the number of messages in flight, divided by this.
const GROUPS: usize = 8;
/// The longest time for which confirms wait for others of their group.
const GROUP_TIMEOUT: Duration = Duration::from_millis(3);

/// The number of a message, and its confirm.
type Confirmed = (u64, lapin::Result<Confirmation>);

/// A message that is being written to the connection. The future is large, so that allocating it is slow; its box is used
/// again.
type Write<'a> = ReusableBoxFuture<'a, lapin::Result<PublisherConfirm>>;

/// The messages in flight on a channel.
pub(super) struct InFlight<'a> {
    channel: &'a Channel,
    /// The messages that are not written yet. They are written in order, so only the first wakes the task: once for a burst.
    writing: VecDeque<(u64, Write<'a>)>,
    /// The messages whose confirms are outstanding. They are confirmed in order as a rule, so again only the first wakes the task.
    confirming: VecDeque<Confirming>,
    /// The messages that younger ones have overtaken: a slow queue must not hold up messages for others.
    overtaken: FuturesUnordered<Confirming>,
    confirmed: VecDeque<Confirmed>,
    reorder_timer: Pin<Box<Sleep>>,
    group_timer: Pin<Box<Sleep>>,
    /// The number of the last message of the group that is waited for.
    last_of_group: Option<u64>,
    /// Whether an oldest message was confirmed since the reorder timer started.
    moved: bool,
    spare: Vec<Write<'a>>,
}

impl<'a> InFlight<'a> {
    pub(super) fn on(channel: &'a Channel) -> Self {
        Self {
            channel,
            writing: VecDeque::new(),
            confirming: VecDeque::new(),
            overtaken: FuturesUnordered::new(),
            confirmed: VecDeque::new(),
            reorder_timer: Box::pin(sleep(REORDER_DELAY)),
            group_timer: Box::pin(sleep(GROUP_TIMEOUT)),
            last_of_group: None,
            moved: true,
            spare: Vec::new(),
        }
    }

    /// Hands a message to lapin at once, in the order of the calls.
    pub(super) fn launch(&mut self, number: u64, frame: EncodedMessage) {
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

    pub(super) fn poll_confirmed(&mut self, context: &mut Context<'_>) -> Poll<Confirmed> {
        while let Some((_, write)) = self.writing.front_mut() {
            let Poll::Ready(written) = write.poll(context) else {
                break;
            };
            if let Some((number, write)) = self.writing.pop_front() {
                self.written(number, written, write);
            }
        }
        loop {
            if let Some(confirmed) = self.confirmed.pop_front() {
                return Poll::Ready(confirmed);
            }
            if let Poll::Ready((index, confirmed)) = self.poll_group(context) {
                self.confirming.remove(index);
                if index == 0 {
                    self.moved = true;
                } else {
                    // lapin hands out a returned message with whichever confirm is polled first, so all of them are polled.
                    self.look_behind();
                }
                return Poll::Ready(confirmed);
            }
            if let Poll::Ready(Some(confirmed)) = Pin::new(&mut self.overtaken).poll_next(context) {
                return Poll::Ready(confirmed);
            }
            if self.confirming.len() < 2 || self.reorder_timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.reorder_timer.as_mut().reset(Instant::now() + REORDER_DELAY);
            if !std::mem::take(&mut self.moved) {
                self.look_behind();
            }
        }
    }

    /// The oldest confirm, as a rule, and its index. With many messages in flight it is looked at when the last of its group is
    /// confirmed, or after [`GROUP_TIMEOUT`]: being woken by each confirm costs as much as handling it.
    fn poll_group(&mut self, context: &mut Context<'_>) -> Poll<(usize, Confirmed)> {
        let in_flight = self.confirming.len();
        if in_flight < MIN_IN_FLIGHT_TO_GROUP {
            return self.poll_at(0, context);
        }
        let polled = self.poll_at(0, &mut Context::from_waker(Waker::noop()));
        let (false, Some(first)) = (polled.is_ready(), self.confirming.front()) else { return polled };
        let first = first.number;
        let last = match self.last_of_group {
            Some(last) if last >= first => last,
            _ => {
                self.group_timer.as_mut().reset(Instant::now() + GROUP_TIMEOUT);
                *self.last_of_group.insert(first + (in_flight / GROUPS) as u64)
            }
        };
        // Its index, as long as all are confirmed in order.
        let polled = self.poll_at(usize::try_from(last - first).unwrap_or(in_flight), context);
        if polled.is_ready() {
            return polled;
        }
        ready!(self.group_timer.as_mut().poll(context));
        self.last_of_group = None;
        self.poll_at(0, context)
    }

    fn poll_at(&mut self, index: usize, context: &mut Context<'_>) -> Poll<(usize, Confirmed)> {
        let Some(confirming) = self.confirming.get_mut(index) else { return Poll::Pending };
        Pin::new(confirming).poll(context).map(|confirmed| (index, confirmed))
    }

    /// Finds messages that were confirmed before older ones.
    fn look_behind(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let mut open = VecDeque::with_capacity(self.confirming.len());
        for mut confirming in self.confirming.drain(..) {
            match Pin::new(&mut confirming).poll(&mut context) {
                Poll::Ready(confirmed) => {
                    self.confirmed.push_back(confirmed);
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
            // The channel ends with the first failure.
            Err(error) => self.confirmed.push_back((number, Err(error))),
        }
    }
}

struct Confirming {
    number: u64,
    confirm: PublisherConfirm,
}

impl Future for Confirming {
    type Output = Confirmed;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Confirmed> {
        let confirmation = ready!(Pin::new(&mut self.confirm).poll(context));
        Poll::Ready((self.number, confirmation))
    }
}

async fn write(channel: &Channel, frame: EncodedMessage) -> lapin::Result<PublisherConfirm> {
    let EncodedMessage { exchange, routing_key, properties, body, mandatory } = frame;
    let options = BasicPublishOptions { mandatory, immediate: false };
    channel.basic_publish(exchange, routing_key, options, &body, properties).await
}
