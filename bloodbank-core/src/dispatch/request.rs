//! `bus.execute(command)`: a command and its answer.

use std::{fmt, future::IntoFuture, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::{
    command::{CommandEvent, Reply},
    envelope::EventEnvelope,
    error::{Error, ErrorKind, Result},
    event::EventKind,
    failure::FailureEvent,
    handler::Payload,
    publish::{Bus, Cause, Draft, KeyedValue, Publish},
    registry::Registry,
    transport::{Incoming, names},
};

impl Bus {
    /// Asks for a command and waits for its answer.
    ///
    /// ```no_run
    /// # use bloodbank_core::{Bus, CommandEvent};
    /// # async fn example<C: CommandEvent>(bus: Bus, prompt: C) -> Result<(), Box<dyn std::error::Error>> {
    /// let response = bus.execute(prompt).timeout(std::time::Duration::from_secs(60)).await?;
    /// # Ok(()) }
    /// ```
    pub fn execute<C: CommandEvent>(&self, command: C) -> Execute<'_, C> {
        Execute { bus: self, publish: self.publish(command).mandatory(), timeout: Duration::from_secs(30) }
    }

    /// Asks for a command that is known only at run time and waits for its answer: the envelope of the reply, or `None`
    /// where the command has none. Checked like [`Bus::publish_value`].
    pub fn execute_value<'a>(&'a self, key: &'a str, payload: &'a Value) -> Execute<'a, KeyedValue<'a>> {
        let publish = self.publish_value(key, payload).mandatory();
        Execute { bus: self, publish, timeout: Duration::from_secs(30) }
    }
}

/// A command that is published when this is awaited; resolves to its answer.
#[must_use = "a command is published when this is awaited"]
pub struct Execute<'a, C> {
    bus: &'a Bus,
    publish: Publish<'a, C>,
    timeout: Duration,
}

impl<'a, C> Execute<'a, C> {
    /// How long to wait for the answer; default 30 s. The command is executed even if nobody waits any more.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The event that caused this command.
    pub fn caused_by(mut self, cause: &(impl Cause + ?Sized)) -> Self {
        self.publish = self.publish.caused_by(cause);
        self
    }
}

impl<'a, C: CommandEvent> IntoFuture for Execute<'a, C> {
    type Output = Result<C::Reply, ExecuteError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let answer = self.answer(C::DECLARATION.routing_key, Publish::draft).await?;
            read(&answer, C::Reply::read)
        })
    }
}

impl<'a> IntoFuture for Execute<'a, KeyedValue<'a>> {
    type Output = Result<Option<EventEnvelope<Value>>, ExecuteError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let key = self.publish.event().key();
            check_is_command(key)?;
            let answer = self.answer(key, Publish::keyed_draft).await?;
            read(&answer, |body| match body {
                [] => Ok(None),
                body => serde_json::from_slice(body).map(Some).map_err(unreadable),
            })
        })
    }
}

impl<'a, C> Execute<'a, C> {
    /// Publishes the command and waits for what its executor sends back.
    async fn answer(
        self,
        key: &str,
        draft: impl FnOnce(Publish<'a, C>) -> Result<Draft>,
    ) -> Result<Incoming, ExecuteError> {
        let Self { bus, mut publish, timeout } = self;
        let replies = bus.replies();
        publish.options_mut().reply_to = Some(Arc::clone(replies.queue(bus).await?));
        let draft = draft(publish)?;
        let mut waiter = replies.wait_for(draft.receipt.event_id);
        bus.send(draft).await?;
        match tokio::time::timeout(timeout, &mut waiter.answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(Error::new(ErrorKind::Closed, "the bus was closed before the answer came").into()),
            Err(_) => Err(Error::new(
                ErrorKind::Deadline,
                format!("no answer to `{key}` within {timeout:?}; its executor is slow or keeps retrying, and the command may yet be executed"),
            )
            .into()),
        }
    }
}

/// Asking for what nobody executes would only end in a deadline.
fn check_is_command(key: &str) -> Result<()> {
    match Registry::global().event(key) {
        Some(event) if event.kind() != EventKind::Command => Err(Error::new(
            ErrorKind::UnknownEvent,
            format!("`{key}` is not a command; publish it, or give its `#[event(…)]` the attribute `command`"),
        )),
        // An unknown key is refused where it is drafted.
        _ => Ok(()),
    }
}

fn unreadable(error: serde_json::Error) -> Error {
    Error::new(ErrorKind::InvalidEnvelope, "the answer cannot be read").with_source(error)
}

fn read<R>(answer: &Incoming, read: impl FnOnce(&[u8]) -> Result<R>) -> Result<R, ExecuteError> {
    match answer.properties.headers.text(names::REPLY) {
        Some("reply") => Ok(read(&answer.body)?),
        Some("failure") => {
            Err(ExecuteError::Failed(Box::new(serde_json::from_slice(&answer.body).map_err(unreadable)?)))
        }
        _ => Err(Error::new(ErrorKind::CommandFailed, String::from_utf8_lossy(&answer.body).into_owned()).into()),
    }
}

/// Why a command has no reply.
#[derive(Debug)]
pub enum ExecuteError {
    /// It failed for good: its failure event.
    Failed(Box<EventEnvelope<Value>>),
    /// It could not be published, nobody executes it, no answer came in time, or it ended without a failure event.
    Bus(Error),
}

impl ExecuteError {
    /// The failure event, if it is one of that type.
    #[must_use]
    pub fn failure<F: FailureEvent>(&self) -> Option<F> {
        match self {
            Self::Failed(envelope) => {
                let body = serde_json::to_vec(envelope).ok()?;
                F::decode(&body).ok().map(|envelope| envelope.payload)
            }
            Self::Bus(_) => None,
        }
    }
}

impl From<Error> for ExecuteError {
    fn from(error: Error) -> Self {
        Self::Bus(error)
    }
}

impl fmt::Display for ExecuteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(envelope) => {
                let message = envelope.payload.get("error_message").and_then(Value::as_str).unwrap_or("no message");
                write!(f, "{}: {message}", envelope.event_type)
            }
            Self::Bus(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ExecuteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(_) => None,
            Self::Bus(error) => Some(error),
        }
    }
}
