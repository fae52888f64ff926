//! Publishing on one channel, as long as that channel lives.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use lapin::{Channel, Confirmation};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::publish::{
    in_flight::InFlight,
    lanes::{Cause, Lanes, Publishing},
    request::Request,
    request_queue::RequestQueue,
    stall::Stall,
    window::{Miss, Window},
};
use crate::{broker_fault::BrokerFault, outgoing::EncodedMessage, session::Session};
use bloodbank_core::{Error, ErrorKind};

/// The number of messages that are written before confirms are handled again.
const BURST: usize = 64;
/// The number of bursts that are written before other tasks get their turn.
const ROUNDS: u32 = 16;
/// The time for which an answer is held back at least, when an older message is slow.
const HOLD: Duration = Duration::from_millis(5);
/// The number of channels that have to refuse a message.
const REFUSALS: u8 = 2;
/// The age of a channel from which it is replaced because a message was refused on it.
const MIN_AGE: Duration = Duration::from_secs(1);

/// The reason why publishing on a channel ended.
pub(super) enum End {
    /// The channel or the connection failed.
    Broken(BrokerFault),
    /// The broker does not confirm the oldest message, and opened this channel.
    Stalled(Channel),
    /// The broker refused a message, and may do so as long as the channel lives. Everything else is confirmed.
    Stale,
    /// Everything is confirmed and nothing more will come.
    Finished,
    /// The remaining requests are to be given up.
    Abandoned,
}

/// The requests that are to be published next.
pub(super) struct Supply<'a> {
    /// The requests that were in flight on an earlier channel; they go first.
    pub(super) backlog: &'a mut VecDeque<Request>,
    pub(super) requests: &'a RequestQueue,
    pub(super) publishing: &'a Publishing,
    /// Where a request goes that the broker refused for the first time.
    pub(super) aside: &'a mut Aside,
    /// The number of requests of the backlog that are sent one by one, each confirmed before the next, the one in flight included.
    pub(super) suspects: &'a mut usize,
    /// Whether one of them is in flight.
    pub(super) probing: bool,
    /// Whether the channel is to be replaced.
    pub(super) stale: bool,
    pub(super) opened: Instant,
}

/// Where a request goes that the broker refused for the first time.
pub(super) enum Aside {
    /// On a lane of its own.
    Lanes(Lanes),
    /// It is on a lane already, and goes on the next channel of that lane.
    Again(VecDeque<Request>),
}

/// Publishes until the channel fails or everything is confirmed. Requests that are not answered then stay in `window`.
pub(super) async fn run(
    channel: &Channel,
    session: &Arc<Session>,
    window: &mut Window,
    mut supply: Supply<'_>,
    mut stall: Stall,
) -> End {
    let mut in_flight = InFlight::on(channel);
    let mut holding: Pin<Box<Sleep>> = Box::pin(sleep(HOLD));
    let mut stops = Stops::new(session, supply.publishing);
    let mut burst = VecDeque::with_capacity(BURST);
    poll_fn(|context| {
        for round in 0.. {
            if round == ROUNDS {
                // Other tasks run too.
                context.waker().wake_by_ref();
                break;
            }
            while let Poll::Ready((number, confirmation)) = in_flight.poll_confirmed(context) {
                if let Err(fault) = supply.settle(window, number, confirmation) {
                    return Poll::Ready(End::Broken(fault));
                }
            }
            window.release();
            if let Poll::Ready(end) = supply.fill(window, &mut burst, context) {
                return Poll::Ready(end);
            }
            if burst.is_empty() {
                break;
            }
            for request in burst.drain(..) {
                match EncodedMessage::new(request.message()) {
                    Ok(frame) => in_flight.launch(window.push(request), frame),
                    Err(error) => request.answer(Err(error)),
                }
            }
        }
        if window.holds() {
            while holding.as_mut().poll(context).is_ready() {
                window.tick();
                holding.as_mut().reset(Instant::now() + HOLD);
            }
        }
        if window.open() > 0
            && let Poll::Ready(probed) = stall.poll(session, window.oldest(), supply.publishing, context)
        {
            return Poll::Ready(probed.map_or_else(End::Broken, End::Stalled));
        }
        stops.poll(context)
    })
    .await
}

impl Supply<'_> {
    fn settle(
        &mut self,
        window: &mut Window,
        number: u64,
        confirmation: lapin::Result<Confirmation>,
    ) -> Result<(), BrokerFault> {
        let refused = window
            .confirm(number, confirmation?)
            .map_err(|_| BrokerFault::connection_lost("the channel does not confirm messages"))?;
        match refused {
            Some(request) => self.refused(request, Refusal::Broker),
            None => self.publishing.count_confirmed(),
        }
        for (request, miss) in window.take_missed() {
            self.refused(request, Refusal::Missed(miss));
        }
        Ok(())
    }

    fn refused(&mut self, mut request: Request, why: Refusal) {
        request.refusals += 1;
        if request.refusals >= REFUSALS {
            let error = why.error(&request);
            return request.answer(Err(error));
        }
        match &mut *self.aside {
            Aside::Lanes(lanes) => {
                // Another channel of the broker has no more routes than this one.
                self.stale |= matches!(why, Refusal::Broker);
                lanes.give(request, Cause::Refused);
            }
            Aside::Again(again) => again.push_back(request),
        }
    }

    /// Whether nothing more is sent on this channel.
    fn is_ending(&self) -> bool {
        match &*self.aside {
            Aside::Lanes(_) => self.stale && self.opened.elapsed() >= MIN_AGE,
            Aside::Again(again) => !again.is_empty(),
        }
    }

    fn divert(&mut self, burst: &mut VecDeque<Request>) {
        if let Aside::Lanes(lanes) = &mut *self.aside {
            lanes.divert(burst);
        }
    }

    /// Takes the requests that may be sent now.
    fn fill(&mut self, window: &Window, burst: &mut VecDeque<Request>, context: &Context<'_>) -> Poll<End> {
        if self.is_ending() {
            return if window.open() == 0 { Poll::Ready(End::Stale) } else { Poll::Pending };
        }
        if *self.suspects > 0 {
            self.next_suspect(window, burst);
            if *self.suspects > 0 {
                return Poll::Pending;
            }
        }
        let room = self.publishing.limit.saturating_sub(window.open()).min(BURST);
        if room == 0 {
            return Poll::Pending;
        }
        while !self.backlog.is_empty() {
            burst.extend(self.backlog.drain(..room.min(self.backlog.len())));
            self.divert(burst);
            if !burst.is_empty() {
                return Poll::Pending;
            }
        }
        while self.requests.take(room, burst, context) {
            burst.retain(|request| !request.is_abandoned());
            self.divert(burst);
            if !burst.is_empty() {
                return Poll::Pending;
            }
        }
        if window.open() == 0 && self.requests.is_finished() {
            return Poll::Ready(End::Finished);
        }
        Poll::Pending
    }

    fn next_suspect(&mut self, window: &Window, burst: &mut VecDeque<Request>) {
        if window.open() > 0 {
            return;
        }
        if std::mem::take(&mut self.probing) {
            *self.suspects -= 1;
        }
        if *self.suspects > 0 {
            match self.backlog.pop_front() {
                Some(request) => {
                    self.probing = true;
                    burst.push_back(request);
                }
                None => *self.suspects = 0,
            }
        }
    }
}

/// The signals that end publishing from outside.
struct Stops {
    dead: Pin<Box<WaitForCancellationFutureOwned>>,
    abandoned: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Stops {
    fn new(session: &Session, publishing: &Publishing) -> Self {
        let abandoned = publishing.abandon.clone().cancelled_owned();
        Self { dead: Box::pin(session.failed()), abandoned: Box::pin(abandoned) }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        if self.abandoned.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::Abandoned);
        }
        if self.dead.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::Broken(BrokerFault::connection_lost("the connection was given up")));
        }
        Poll::Pending
    }
}

/// Why a message is refused.
#[derive(Clone, Copy)]
enum Refusal {
    /// The broker says so.
    Broker,
    /// A queue that was there for it has not received it.
    Missed(Miss),
}

impl Refusal {
    fn error(self, request: &Request) -> Error {
        let (key, exchange) = (&request.message().routing_key, &request.message().exchange);
        let text = match self {
            Self::Broker => format!(
                "the broker refused the message with key `{key}` for exchange `{exchange}`: a queue it goes to is full or \
                 not available; drain that queue, or try again later"
            ),
            Self::Missed(Miss::Journal) => format!(
                "neither the journal of exchange `{exchange}` nor any other queue has received the message with key `{key}`: RabbitMQ \
                 is just starting, or the journal was just switched off; try again in some seconds"
            ),
            Self::Missed(Miss::Route) => format!(
                "no queue receives key `{key}` of exchange `{exchange}` any more, and within the last hour one did: the \
                 node of its classic queue is down, or the queue was deleted; start that node and try again, or, where \
                 nobody is to receive it any more, restart this program"
            ),
        };
        Error::new(ErrorKind::Refused, text)
    }
}
