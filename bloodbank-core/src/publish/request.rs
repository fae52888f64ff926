//! Requests, `bus.execute(command)`: a command and its answer.

use std::{fmt, future::IntoFuture, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::{Bus, Cause, Publish, PublishValue};
use crate::{
    envelope::EventEnvelope,
    error::{Error, ErrorKind, Result},
    event::{CommandEvent, EventKind, FailureEvent, Payload, Reply},
    message::{Incoming, names},
    registry::{Registry, command_queue},
};

impl Bus {
    /// Publishes a command and waits for its answer.
    ///
    /// ```no_run
    /// # use bloodbank_core::{Bus, CommandEvent};
    /// # async fn example<C: CommandEvent>(bus: Bus, prompt: C) -> Result<(), Box<dyn std::error::Error>> {
    /// let response = bus.execute(prompt).timeout(std::time::Duration::from_secs(60)).await?;
    /// # Ok(()) }
    /// ```
    pub fn execute<C: CommandEvent>(&self, command: C) -> Execute<'_, C, C::Reply> {
        Execute { publish: self.publish(command), timeout: Duration::from_secs(30), read: read::<C::Reply> }
    }
}

/// A request: awaiting it publishes the command `C`, and resolves to the answer `R`.
#[must_use = "a command is published when this is awaited"]
pub struct Execute<'a, C, R> {
    publish: Publish<'a, C>,
    timeout: Duration,
    read: fn(&Incoming) -> Result<R, ExecuteError>,
}

impl<C, R> Execute<'_, C, R> {
    /// Sets how long to wait for the answer; default 30 s. The command is executed even if nobody waits any more.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Adds the event that caused this command as a parent.
    pub fn caused_by(mut self, cause: &(impl Cause + ?Sized)) -> Self {
        self.publish = self.publish.caused_by(cause);
        self
    }
}

impl<'a, C: Send + 'a, R: 'a> IntoFuture for Execute<'a, C, R> {
    type Output = Result<R, ExecuteError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { publish, timeout, read } = self;
        Box::pin(async move { read(&ask(publish, timeout).await?) })
    }
}

impl PublishValue<'_> {
    /// Publishes the command and waits for its reply; `None` where it declares none.
    ///
    /// # Errors
    /// [`ExecuteError`]: the failure event of the command, or why there is no answer.
    pub async fn execute(mut self, timeout: Duration) -> Result<Option<EventEnvelope<Value>>, ExecuteError> {
        let key = self.parts().1.key;
        if Registry::global().event(key).is_some_and(|event| event.kind() != EventKind::Command) {
            return Err(Error::new(
                ErrorKind::UnknownEvent,
                format!("`{key}` is not a command, so nothing answers it; publish it instead"),
            )
            .into());
        }
        read_value(&ask(self, timeout).await?)
    }
}

/// Publishes a command and waits for the message that answers it.
async fn ask<P>(mut publish: Publish<'_, P>, timeout: Duration) -> Result<Incoming> {
    let (bus, _, options) = publish.parts();
    options.mandatory = true;
    options.uncommon().reply_to = Some(Arc::clone(bus.replies().queue(bus).await?));
    let command = publish.prepare()?;
    let reply = Registry::global().event(command.event_type()).and_then(|event| event.declaration().reply);
    if let Some(reply) = reply {
        bus.replies().bind(bus, reply).await?;
    }
    let mut waiter = bus.replies().wait_for(command.event_id());
    let key = Arc::clone(command.event_type());
    let unrouted = || {
        Error::new(
            ErrorKind::Unrouted,
            format!(
                "no queue receives the command `{key}`, so nobody executes it; start its executor, an app with `.commands(…)`"
            ),
        )
    };
    let receipt = bus.publish_prepared(command).await.map_err(|error| match error.kind() {
        ErrorKind::Unrouted => unrouted(),
        _ => error,
    })?;
    // Where even that cannot be known, the answer is waited for.
    if receipt.unrouted.is_none() && !has_executor(bus, &key).await.unwrap_or(true) {
        return Err(unrouted());
    }
    match tokio::time::timeout(timeout, &mut waiter.answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(Error::new(ErrorKind::Closed, "the bus was closed before the answer came")),
        Err(_) => Err(Error::new(
            ErrorKind::Deadline,
            format!(
                "no answer to `{key}` within {timeout:?}; its executor is slow or keeps retrying, and the command may yet be executed"
            ),
        )),
    }
}

/// Whether there is a queue where the executor of a command waits for it. Asked where the broker cannot tell whether anybody
/// receives the command, because a journal does.
async fn has_executor(bus: &Bus, key: &str) -> Result<bool> {
    let registry = Registry::global();
    let template = registry.event(key).map_or(key, |event| event.routing_key());
    let linked = registry.executors().iter().find(|command| command.declaration().routing_key == template);
    let queue = match linked {
        Some(command) => command.queue(bus.settings().command_queues()),
        None => command_queue(bus.settings().command_queues(), template),
    };
    Ok(bus.transport().queue(queue).await?.is_some())
}

/// Reads the answer to a command that is known only at run time; `None` where the command declares no reply.
fn read_value(answer: &Incoming) -> Result<Option<EventEnvelope<Value>>, ExecuteError> {
    match answer.properties.headers.text(names::REPLY) {
        Some("reply") if answer.body.is_empty() => Ok(None),
        Some("reply") => {
            Ok(Some(serde_json::from_slice(&answer.body).map_err(|error| {
                Error::new(ErrorKind::InvalidEnvelope, "the reply cannot be read").with_source(error)
            })?))
        }
        _ => read::<()>(answer).map(|()| None),
    }
}

fn read<R: Reply>(answer: &Incoming) -> Result<R, ExecuteError> {
    match answer.properties.headers.text(names::REPLY) {
        Some("reply") => Ok(R::read(&answer.body)?),
        Some("failure") => {
            let envelope = serde_json::from_slice(&answer.body).map_err(|error| {
                Error::new(ErrorKind::InvalidEnvelope, "the failure event cannot be read").with_source(error)
            })?;
            Err(ExecuteError::Failed(Box::new(envelope)))
        }
        _ => Err(Error::new(ErrorKind::CommandFailed, String::from_utf8_lossy(&answer.body).into_owned()).into()),
    }
}

/// The error of a request: the command has no reply.
#[derive(Debug)]
pub enum ExecuteError {
    /// The command failed for good; holds its failure event.
    Failed(Box<EventEnvelope<Value>>),
    /// The command could not be published, nobody executes it, no answer came in time, or it ended without a failure
    /// event.
    Bus(Error),
}

impl ExecuteError {
    /// The failure event, if it is of type `F`.
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
