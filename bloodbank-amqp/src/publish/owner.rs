//! The owner of the publishing channel: the one task that publishes.
//!
//! One task, because lapin mixes up the confirms of several tasks on one channel. When a channel breaks, the messages in flight
//! are unconfirmed: they are sent again, in order, on the next channel. When the broker closed the channel because of one
//! message, the unconfirmed ones are suspects and are sent one by one until that message is found; only that message fails.

use std::{collections::VecDeque, sync::Arc};

use lapin::{Channel, options::ConfirmSelectOptions};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::publish::{
    pipeline::{self, End, Supply},
    request::{Request, closed},
    request_queue::RequestQueue,
    window::Window,
};
use crate::{
    broker_fault::BrokerFault,
    journal_sign::JournalSign,
    session::Session,
    supervisor::SupervisedConnection,
    timeout::{CALL_TIMEOUT, CLOSE_TIMEOUT, with_timeout},
};
use bloodbank_core::{Error, ErrorKind};

/// The number of connections that the broker may end while a message is alone in flight; the message then fails.
const STRIKES: u8 = 2;

/// The task that owns the publishing channel.
pub(super) struct Owner {
    connection: Arc<SupervisedConnection>,
    requests: Arc<RequestQueue>,
    limit: usize,
    window: Window,
    backlog: VecDeque<Request>,
    suspects: usize,
}

impl Owner {
    pub(super) fn new(
        connection: Arc<SupervisedConnection>,
        requests: Arc<RequestQueue>,
        limit: usize,
        sign: Arc<JournalSign>,
    ) -> Self {
        Self {
            connection,
            requests,
            limit: limit.max(1),
            window: Window::new(sign),
            backlog: VecDeque::new(),
            suspects: 0,
        }
    }

    pub(super) async fn run(mut self, finish: CancellationToken, abandon: CancellationToken) {
        while let Some(session) = self.session(&finish, &abandon).await {
            let channel = match open(&session).await {
                Ok(channel) => channel,
                Err(fault) => {
                    session.fail(&fault);
                    continue;
                }
            };
            let supply = Supply {
                backlog: &mut self.backlog,
                requests: &self.requests,
                limit: self.limit,
                suspects: &mut self.suspects,
                probing: false,
            };
            match pipeline::run(&channel, &session, &mut self.window, supply, &abandon).await {
                End::Broken(fault) => self.recover(&session, fault).await,
                End::Finished => {
                    // Everything is confirmed; nothing depends on the answer.
                    let _ = with_timeout(CLOSE_TIMEOUT, channel.close(200, "bye".into())).await;
                    return;
                }
                End::Abandoned => break,
            }
        }
        self.give_up();
    }

    /// The next session; `None` when nothing is left to publish, or no time to publish it.
    async fn session(&self, finish: &CancellationToken, abandon: &CancellationToken) -> Option<Arc<Session>> {
        tokio::select! {
            session = self.connection.session() => session,
            () = abandon.cancelled() => None,
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
                self.connection.restore(session).await;
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

    fn give_up(mut self) {
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

/// Opens a channel with confirms.
async fn open(session: &Session) -> Result<Channel, BrokerFault> {
    let channel = session.channel().await?;
    with_timeout(CALL_TIMEOUT, channel.confirm_select(ConfirmSelectOptions::default())).await?;
    if channel.status().confirm() {
        Ok(channel.keep())
    } else {
        Err(BrokerFault::connection_lost("the channel does not confirm messages"))
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
