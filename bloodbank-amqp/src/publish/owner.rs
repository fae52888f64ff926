//! The one task that publishes.
//!
//! It is the only one because lapin mixes up the confirms of several. When a channel breaks, everything in flight on it
//! is unknown: it is sent again, in order, on the next channel. When the broker closed the channel because of one
//! message, the suspects go one by one until it is found; only that one fails.

use std::{collections::VecDeque, sync::Arc};

use lapin::{Channel, options::ConfirmSelectOptions};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::publish::{
    intake::Intake,
    job::{Job, closed},
    pipeline::{self, End, Supply},
    window::Window,
};
use crate::{
    deadline::{CALL, CLOSING, within},
    fault::Fault,
    link::Link,
    session::Session,
};
use bloodbank_core::{Error, ErrorKind};

/// A message that is alone in flight when the broker ends the connection so often, because of what was sent, fails.
const STRIKES: u8 = 2;

pub(super) struct Owner {
    link: Arc<Link>,
    intake: Arc<Intake>,
    limit: usize,
    window: Window,
    backlog: VecDeque<Job>,
    suspects: usize,
}

impl Owner {
    pub(super) fn new(link: Arc<Link>, intake: Arc<Intake>, limit: usize) -> Self {
        Self { link, intake, limit: limit.max(1), window: Window::default(), backlog: VecDeque::new(), suspects: 0 }
    }

    pub(super) async fn run(mut self, finish: CancellationToken, abandon: CancellationToken) {
        while let Some(session) = self.session(&finish, &abandon).await {
            let channel = match open(&session).await {
                Ok(channel) => channel,
                Err(fault) => {
                    session.suspect(&fault);
                    continue;
                }
            };
            let supply = Supply {
                backlog: &mut self.backlog,
                intake: &self.intake,
                limit: self.limit,
                suspects: &mut self.suspects,
                probing: false,
            };
            match pipeline::run(&channel, &session, &mut self.window, supply, &abandon).await {
                End::Broken(fault) => self.recover(&session, fault).await,
                End::Finished => {
                    // Everything is confirmed; nothing depends on the answer.
                    let _ = within(CLOSING, channel.close(200, "bye".into())).await;
                    return;
                }
                End::Abandoned => break,
            }
        }
        self.give_up();
    }

    /// `None` when there is nothing more to do, or no more time to do it.
    async fn session(&self, finish: &CancellationToken, abandon: &CancellationToken) -> Option<Arc<Session>> {
        tokio::select! {
            session = self.link.session() => session,
            () = abandon.cancelled() => None,
            () = async {
                finish.cancelled().await;
                if !self.backlog.is_empty() || !self.intake.is_finished() {
                    std::future::pending::<()>().await;
                }
            } => None,
        }
    }

    /// Puts what was in flight in front of everything else, and finds out who is to blame.
    async fn recover(&mut self, session: &Session, fault: Fault) {
        let mut unknown = self.window.unanswered();
        let alone = self.suspects > 0 && unknown.len() == 1;
        match &fault {
            Fault::Channel { .. } if alone => {
                self.suspects -= 1;
                if let Some(guilty) = unknown.pop_front() {
                    let error = blame(&guilty, &fault);
                    guilty.answer(Err(error));
                }
            }
            Fault::Channel { text, .. } => {
                warn!(messages = unknown.len(), "the broker closed the publishing channel: {text}");
                self.suspects = self.suspects.max(unknown.len());
                // Perhaps only an exchange is missing that was there before.
                self.link.restore(session).await;
            }
            Fault::Protocol { .. } => {
                session.suspect(&fault);
                self.suspects = self.suspects.max(unknown.len());
                if let Some(suspect) = unknown.front_mut().filter(|_| alone) {
                    suspect.strikes += 1;
                    if suspect.strikes >= STRIKES {
                        self.suspects -= 1;
                        if let Some(guilty) = unknown.pop_front() {
                            let error = blame(&guilty, &fault);
                            guilty.answer(Err(error));
                        }
                    }
                }
            }
            Fault::Silence | Fault::Lost { .. } => session.suspect(&fault),
        }
        unknown.append(&mut self.backlog);
        self.backlog = unknown;
    }

    fn give_up(mut self) {
        for job in self.window.unanswered().into_iter().chain(self.backlog) {
            job.answer(Err(Error::new(
                ErrorKind::Connection,
                "the transport was closed before the broker confirmed; the event may or may not be on the bus, so \
                 publish it again under the same id",
            )));
        }
        for job in self.intake.drain() {
            job.answer(Err(closed()));
        }
    }
}

async fn open(session: &Session) -> Result<Channel, Fault> {
    let channel = session.channel().await?;
    within(CALL, channel.confirm_select(ConfirmSelectOptions::default())).await?;
    if channel.status().confirm() { Ok(channel) } else { Err(Fault::lost("the channel does not confirm messages")) }
}

fn blame(job: &Job, fault: &Fault) -> Error {
    let (exchange, key, text) = (&job.message().exchange, &job.message().routing_key, fault.text());
    match fault {
        Fault::Channel { code: 404, .. } => Error::new(
            ErrorKind::Topology,
            format!("exchange `{exchange}` does not exist ({text}); declare it, or correct its name"),
        ),
        Fault::Channel { code: 403, .. } => Error::new(
            ErrorKind::Topology,
            format!(
                "the broker does not allow this user to publish to exchange `{exchange}` ({text}); give it the \
                 permission `write`"
            ),
        ),
        Fault::Channel { code: 406, .. } if text.contains("size") => Error::new(
            ErrorKind::TooLarge,
            format!(
                "the message with key `{key}` is larger than the broker takes ({text}); raise its `max_message_size`, \
                 or put the payload elsewhere and publish where it is"
            ),
        ),
        Fault::Channel { .. } | Fault::Protocol { .. } | Fault::Silence | Fault::Lost { .. } => Error::new(
            ErrorKind::Topology,
            format!(
                "the broker refuses the message with key `{key}` for exchange `{exchange}` ({text}); correct what it \
                 complains about"
            ),
        ),
    }
}
