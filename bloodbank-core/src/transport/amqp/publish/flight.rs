//! The messages in flight on a channel, from the hand-over to lapin to the confirm.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use futures_util::{Stream, stream::FuturesUnordered};
use lapin::{Channel, Confirmation, PublisherConfirm, options::BasicPublishOptions};
use tokio_util::sync::ReusableBoxFuture;

use crate::transport::amqp::outgoing::Frame;

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
    confirming: FuturesUnordered<Confirming>,
    failed: Option<Landed>,
    spare: Vec<Write<'a>>,
}

impl<'a> Flights<'a> {
    pub(super) fn on(channel: &'a Channel) -> Self {
        Self { channel, writing: VecDeque::new(), confirming: FuturesUnordered::new(), failed: None, spare: Vec::new() }
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
        if let Some(failed) = self.failed.take() {
            return Poll::Ready(failed);
        }
        match ready!(Pin::new(&mut self.confirming).poll_next(context)) {
            Some(landed) => Poll::Ready(landed),
            None => Poll::Pending,
        }
    }

    fn written(&mut self, number: u64, written: lapin::Result<PublisherConfirm>, write: Write<'a>) {
        self.spare.push(write);
        match written {
            Ok(confirm) => self.confirming.push(Confirming { number, confirm }),
            // One failure is the end of the channel.
            Err(error) => self.failed = Some((number, Err(error))),
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
