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
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::publish::{flight::Flights, intake::Intake, job::Job, window::Window};
use crate::{fault::Fault, outgoing::Frame, session::Session};

/// How many messages are written before confirms are looked at again.
const BURST: usize = 64;
/// How many bursts are written before other tasks get their turn.
const ROUNDS: u32 = 16;
/// How long an answer is held back at least when an older message is slow.
const HOLD: Duration = Duration::from_millis(5);

/// Why publishing on a channel ended.
pub(super) enum End {
    /// The channel or the connection broke.
    Broken(Fault),
    /// Everything is confirmed and nothing more will come.
    Finished,
    /// What is left shall be given up.
    Abandoned,
}

/// What is to be published next.
pub(super) struct Supply<'a> {
    /// What was in flight when another channel broke; goes first.
    pub(super) backlog: &'a mut VecDeque<Job>,
    pub(super) intake: &'a Intake,
    /// How many may be in flight.
    pub(super) limit: usize,
    /// How many of the backlog are sent one by one, each confirmed before the next, the one in flight included.
    pub(super) suspects: &'a mut usize,
    /// One of them is in flight.
    pub(super) probing: bool,
}

/// Publishes until the channel breaks or everything is done. What is not answered then stays in `window`.
pub(super) async fn run(
    channel: &Channel,
    session: &Arc<Session>,
    window: &mut Window,
    mut supply: Supply<'_>,
    abandon: &CancellationToken,
) -> End {
    let mut flights = Flights::on(channel);
    let mut holding: Pin<Box<Sleep>> = Box::pin(sleep(HOLD));
    let mut stops = Stops::new(session, abandon);
    let mut burst = VecDeque::with_capacity(BURST);
    poll_fn(|context| {
        for round in 0.. {
            if round == ROUNDS {
                // Others want to run too.
                context.waker().wake_by_ref();
                break;
            }
            while let Poll::Ready((number, confirmation)) = flights.poll_landed(context) {
                if let Err(fault) = settle(window, number, confirmation) {
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
            for job in burst.drain(..) {
                match Frame::new(job.message()) {
                    Ok(frame) => flights.launch(window.push(job), frame),
                    Err(error) => job.answer(Err(error)),
                }
            }
        }
        if window.holds() {
            while holding.as_mut().poll(context).is_ready() {
                window.tick();
                holding.as_mut().reset(Instant::now() + HOLD);
            }
        }
        stops.poll(context)
    })
    .await
}

fn settle(window: &mut Window, number: u64, confirmation: lapin::Result<Confirmation>) -> Result<(), Fault> {
    window.confirm(number, confirmation?).map_err(|_| Fault::lost("the channel does not confirm messages"))
}

impl Supply<'_> {
    /// Takes what may be sent now.
    fn fill(&mut self, window: &Window, burst: &mut VecDeque<Job>, context: &Context<'_>) -> Poll<End> {
        if *self.suspects > 0 {
            self.next_suspect(window, burst);
            if *self.suspects > 0 {
                return Poll::Pending;
            }
        }
        let room = self.limit.saturating_sub(window.open()).min(BURST);
        if room == 0 {
            return Poll::Pending;
        }
        if !self.backlog.is_empty() {
            burst.extend(self.backlog.drain(..room.min(self.backlog.len())));
            return Poll::Pending;
        }
        while self.intake.take(room, burst, context) {
            burst.retain(|job| !job.is_abandoned());
            if !burst.is_empty() {
                return Poll::Pending;
            }
        }
        if window.open() == 0 && self.intake.is_finished() {
            return Poll::Ready(End::Finished);
        }
        Poll::Pending
    }

    fn next_suspect(&mut self, window: &Window, burst: &mut VecDeque<Job>) {
        if window.open() > 0 {
            return;
        }
        if std::mem::take(&mut self.probing) {
            *self.suspects -= 1;
        }
        if *self.suspects > 0 {
            match self.backlog.pop_front() {
                Some(job) => {
                    self.probing = true;
                    burst.push_back(job);
                }
                None => *self.suspects = 0,
            }
        }
    }
}

/// What ends publishing from outside.
struct Stops {
    dead: Pin<Box<WaitForCancellationFutureOwned>>,
    abandoned: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Stops {
    fn new(session: &Session, abandon: &CancellationToken) -> Self {
        Self { dead: Box::pin(session.dead()), abandoned: Box::pin(abandon.clone().cancelled_owned()) }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<End> {
        if self.abandoned.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::Abandoned);
        }
        if self.dead.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::Broken(Fault::lost("the connection was given up")));
        }
        Poll::Pending
    }
}
