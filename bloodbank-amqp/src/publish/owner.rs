//! The owner of the publishing channel: the one task that publishes.
//!
//! One task for each channel, because lapin mixes up the confirms of several tasks on one channel. When a channel breaks, the
//! messages in flight are unconfirmed: they are sent again, in order, on the next channel. When the broker closed the channel
//! because of one message, the unconfirmed ones are suspects and are sent one by one until that message is found; only that
//! message fails. What the broker does not confirm, or refuses, goes on [lanes](super::lanes).

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use lapin::Channel;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::publish::{
    lanes::{Cause, Lanes, Publishing},
    pipeline::{self, Aside, End, Supply},
    request::{Request, closed},
    request_queue::RequestQueue,
    stall::{self, Patience, Stall},
    window::Window,
};
use crate::{
    broker_fault::BrokerFault,
    session::Session,
    timeout::{CLOSE_TIMEOUT, with_timeout},
};
use bloodbank_core::{Error, ErrorKind};

/// The number of connections that the broker may end while a message is alone in flight; the message then fails.
const STRIKES: u8 = 2;
/// For how many seconds a message may stay unconfirmed before it goes on a lane.
const PATIENCE: u32 = 4;
/// For how many seconds messages of a lane may at first, before they are sent again.
const LANE_PATIENCE: u32 = 8;
/// For how many seconds they may after many attempts.
const LONGEST_PATIENCE: u32 = 64;
/// For how many seconds nothing at all may be confirmed before another connection is made.
const SILENCE: u32 = 2;
/// The time before a message that the main channel refused is sent on its lane: the broker may be electing a leader.
const REFUSED_DELAY: Duration = Duration::from_millis(100);
/// The time before a message that its lane refused is sent on the next channel of the lane.
const AGAIN_DELAY: Duration = Duration::from_millis(200);

/// The time before another channel is asked for where a connection has as many as it may.
const NO_CHANNEL_DELAY: Duration = Duration::from_secs(1);

/// The task that owns a publishing channel: the main one, or that of a lane.
pub(super) struct Owner {
    publishing: Arc<Publishing>,
    requests: Arc<RequestQueue>,
    window: Window,
    backlog: VecDeque<Request>,
    suspects: usize,
    aside: Aside,
    /// The time to wait before the next channel is opened.
    delay: Duration,
    patience: u32,
}

impl Owner {
    pub(super) fn new(publishing: Arc<Publishing>, requests: Arc<RequestQueue>) -> Self {
        let aside = Aside::Lanes(Lanes::new(Arc::clone(&publishing)));
        Self::with(publishing, requests, aside, Duration::ZERO, PATIENCE)
    }

    pub(super) fn of_lane(publishing: Arc<Publishing>, requests: Arc<RequestQueue>, cause: Cause) -> Self {
        let delay = match cause {
            Cause::Unconfirmed => Duration::ZERO,
            Cause::Refused => REFUSED_DELAY,
        };
        Self::with(publishing, requests, Aside::Again(VecDeque::new()), delay, LANE_PATIENCE)
    }

    fn with(
        publishing: Arc<Publishing>,
        requests: Arc<RequestQueue>,
        aside: Aside,
        delay: Duration,
        patience: u32,
    ) -> Self {
        Self {
            window: Window::new(Arc::clone(&publishing.sign), Arc::clone(&publishing.routes)),
            publishing,
            requests,
            backlog: VecDeque::new(),
            suspects: 0,
            aside,
            delay,
            patience,
        }
    }

    /// Publishes until `finish` is cancelled and everything is answered. Boxed, because a lane runs such a task too.
    pub(super) fn run(mut self, finish: CancellationToken) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut next: Option<(Arc<Session>, Channel)> = None;
            loop {
                let (session, channel) = match next.take() {
                    Some(opened) => opened,
                    None => match self.open(&finish).await {
                        Some(opened) => opened,
                        None => break,
                    },
                };
                let confirmed = self.publishing.confirmed();
                match self.publish(&session, &channel).await {
                    End::Broken(fault) => self.recover(&session, fault).await,
                    End::Stalled(fresh) => {
                        stall::close(channel);
                        self.stalled(&session, confirmed);
                        next = Some((session, fresh));
                    }
                    End::Stale => {
                        stall::close(channel);
                        self.stale();
                    }
                    End::Finished => {
                        if let Aside::Lanes(lanes) = &mut self.aside {
                            lanes.finish().await;
                        }
                        // Everything is confirmed; nothing depends on the answer.
                        let _ = with_timeout(CLOSE_TIMEOUT, channel.close(200, "bye".into())).await;
                        return;
                    }
                    End::Abandoned => break,
                }
            }
            self.give_up().await;
        })
    }

    async fn publish(&mut self, session: &Arc<Session>, channel: &Channel) -> End {
        let silence = matches!(self.aside, Aside::Again(_)).then(|| (SILENCE, self.publishing.confirmed()));
        let patience = Patience { ticks: self.patience, silence };
        let supply = Supply {
            backlog: &mut self.backlog,
            requests: &self.requests,
            publishing: &self.publishing,
            aside: &mut self.aside,
            suspects: &mut self.suspects,
            probing: false,
            stale: false,
            opened: Instant::now(),
        };
        pipeline::run(channel, session, &mut self.window, supply, Stall::new(patience)).await
    }

    /// A channel on the next session that has one; `None` when nothing is left to publish, or no time to publish it.
    async fn open(&mut self, finish: &CancellationToken) -> Option<(Arc<Session>, Channel)> {
        let delay = std::mem::take(&mut self.delay);
        if !delay.is_zero() {
            tokio::select! {
                () = sleep(delay) => {}
                () = self.publishing.abandon.cancelled() => return None,
            }
        }
        loop {
            let session = self.session(finish).await?;
            match stall::open(&session).await {
                Ok(channel) => return Some((session, channel)),
                Err(fault @ BrokerFault::Channel { .. }) => {
                    warn!("no channel to publish on: {}", fault.into_error("opening a channel"));
                    tokio::select! {
                        () = sleep(NO_CHANNEL_DELAY) => {}
                        () = self.publishing.abandon.cancelled() => return None,
                    }
                }
                Err(fault) => session.fail(&fault),
            }
        }
    }

    /// Puts what the broker does not confirm on lanes, or, on a lane, in front again.
    fn stalled(&mut self, session: &Session, confirmed: u64) {
        let mut unconfirmed = self.window.unanswered();
        unconfirmed.retain(|request| !request.is_abandoned());
        self.suspects = 0;
        match &mut self.aside {
            Aside::Lanes(lanes) => {
                for request in unconfirmed {
                    lanes.give(request, Cause::Unconfirmed);
                }
            }
            Aside::Again(again) => {
                unconfirmed.append(again);
                unconfirmed.append(&mut self.backlog);
                self.backlog = unconfirmed;
                self.patience = (self.patience * 2).min(LONGEST_PATIENCE);
                // Not only this queue: this node may be cut off from the others.
                if self.publishing.confirmed() == confirmed && self.publishing.may_move() {
                    session.fail(&BrokerFault::connection_lost("it answers, and confirms no message"));
                }
            }
        }
    }

    /// Goes on with another channel, after a while, because the broker refused a message on this one.
    fn stale(&mut self) {
        if let Aside::Again(again) = &mut self.aside {
            self.delay = AGAIN_DELAY;
            again.append(&mut self.backlog);
            self.backlog = std::mem::take(again);
        }
    }

    /// The next session; `None` when nothing is left to publish, or no time to publish it.
    async fn session(&self, finish: &CancellationToken) -> Option<Arc<Session>> {
        tokio::select! {
            session = self.publishing.connection.session() => session,
            () = self.publishing.abandon.cancelled() => None,
            () = async {
                finish.cancelled().await;
                if !self.backlog.is_empty() || !self.requests.is_finished() {
                    std::future::pending::<()>().await;
                }
            } => None,
        }
    }

    /// Puts the unconfirmed messages of a broken channel in front of all others, and fails the message that broke it.
    async fn recover(&mut self, session: &Session, fault: BrokerFault) {
        let mut unconfirmed = self.window.unanswered();
        let alone = self.suspects > 0 && unconfirmed.len() == 1;
        match &fault {
            BrokerFault::Channel { .. } if alone => {
                self.suspects -= 1;
                if let Some(rejected) = unconfirmed.pop_front() {
                    let error = rejection(&rejected, &fault);
                    rejected.answer(Err(error));
                }
            }
            BrokerFault::Channel { text, .. } => {
                warn!(messages = unconfirmed.len(), "the broker closed the publishing channel: {text}");
                self.suspects = self.suspects.max(unconfirmed.len());
                // Perhaps an exchange was deleted; declaring it again helps.
                self.publishing.connection.restore(session).await;
            }
            BrokerFault::Protocol { .. } => {
                session.fail(&fault);
                self.suspects = self.suspects.max(unconfirmed.len());
                if let Some(suspect) = unconfirmed.front_mut().filter(|_| alone) {
                    suspect.strikes += 1;
                    if suspect.strikes >= STRIKES {
                        self.suspects -= 1;
                        if let Some(rejected) = unconfirmed.pop_front() {
                            let error = rejection(&rejected, &fault);
                            rejected.answer(Err(error));
                        }
                    }
                }
            }
            BrokerFault::Unresponsive | BrokerFault::ConnectionLost { .. } => session.fail(&fault),
        }
        unconfirmed.append(&mut self.backlog);
        self.backlog = unconfirmed;
    }

    async fn give_up(mut self) {
        match &mut self.aside {
            Aside::Lanes(lanes) => lanes.finish().await,
            Aside::Again(again) => self.backlog.append(again),
        }
        for request in self.window.unanswered().into_iter().chain(self.backlog) {
            request.answer(Err(Error::new(
                ErrorKind::Connection,
                "the transport was closed before the broker confirmed; the event may or may not be on the bus, so \
                 publish it again under the same id",
            )));
        }
        for request in self.requests.drain() {
            request.answer(Err(closed()));
        }
    }
}

/// The error for the message that made the broker close the channel or the connection.
fn rejection(request: &Request, fault: &BrokerFault) -> Error {
    let (exchange, key, text) = (&request.message().exchange, &request.message().routing_key, fault.text());
    match fault {
        BrokerFault::Channel { code: 404, .. } => Error::new(
            ErrorKind::Topology,
            format!("exchange `{exchange}` does not exist ({text}); declare it, or correct its name"),
        ),
        BrokerFault::Channel { code: 403, .. } => Error::new(
            ErrorKind::Topology,
            format!(
                "the broker does not allow this user to publish to exchange `{exchange}` ({text}); give it the \
                 permission `write`"
            ),
        ),
        BrokerFault::Channel { code: 406, .. } if text.contains("size") => Error::new(
            ErrorKind::TooLarge,
            format!(
                "the message with key `{key}` is larger than the broker takes ({text}); raise its `max_message_size`, \
                 or put the payload elsewhere and publish where it is"
            ),
        ),
        BrokerFault::Channel { .. }
        | BrokerFault::Protocol { .. }
        | BrokerFault::Unresponsive
        | BrokerFault::ConnectionLost { .. } => Error::new(
            ErrorKind::Topology,
            format!(
                "the broker refuses the message with key `{key}` for exchange `{exchange}` ({text}); correct what it \
                 complains about"
            ),
        ),
    }
}
