//! Why a handler did not handle an event.

use std::{any::Any, fmt, time::Duration};

use crate::{
    error::{BoxError, Error},
    event::{Declaration, FailureEvent, PendingEvent},
};

/// Why a handler did not handle an event, and whether trying again can help.
///
/// It is made of any error with `?`.
///
/// Every error that a subscriber returns becomes one that is retried by policy; return this type to say more.
///
/// ```
/// # use bloodbank_core::handler::HandlerError;
/// # use std::time::Duration;
/// # fn charge() -> Result<(), std::io::Error> { Ok(()) }
/// # fn handler() -> Result<(), HandlerError> {
/// charge()?;                                                             // retried by policy
/// charge().map_err(HandlerError::permanent)?;                            // parked at once
/// charge().map_err(|e| HandlerError::retry_after(Duration::from_secs(60), e))?;
/// # Ok(()) }
/// ```
pub struct HandlerError {
    pub(crate) kind: HandlerErrorKind,
    message: String,
}

#[derive(Debug)]
pub(crate) enum HandlerErrorKind {
    /// Retried by policy, or after the time the handler asked for.
    Retryable { after: Option<Duration> },
    /// Parked at once.
    Permanent { reason: &'static str },
    /// A failure event, which says itself whether another attempt can help.
    Failure { event: Box<PendingEvent>, retryable: bool },
    /// The handler took longer than it may.
    TimedOut,
    /// The handler panicked.
    Panicked,
}

impl HandlerError {
    /// Another attempt can help; when, the retry policy says.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self::new(HandlerErrorKind::Retryable { after: None }, describe(&*error.into()))
    }

    /// Another attempt can help, but not before `delay` has passed.
    pub fn retry_after(delay: Duration, error: impl Into<BoxError>) -> Self {
        Self::new(HandlerErrorKind::Retryable { after: Some(delay) }, describe(&*error.into()))
    }

    /// No attempt can help: the event is parked at once.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self::new(HandlerErrorKind::Permanent { reason: "failed" }, describe(&*error.into()))
    }

    /// The message cannot be read: it is parked at once.
    pub(crate) fn unreadable(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(HandlerErrorKind::Permanent { reason }, message.into())
    }

    /// An event that the handler returned or collected breaks its own rules.
    pub(crate) fn invalid_follow_up(error: &Error) -> Self {
        Self::unreadable("invalid-follow-up", error.to_string())
    }

    pub(crate) fn new(kind: HandlerErrorKind, message: String) -> Self {
        Self { kind, message }
    }

    /// From what a tower layer returned: ours unchanged, another one is retried by policy.
    pub(crate) fn from_layer(error: BoxError) -> Self {
        match error.downcast::<Carried>() {
            Ok(carried) => carried.0,
            Err(other) => Self::retry(other),
        }
    }
}

/// The error and what is underneath it, in one line.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerError").field("kind", &self.kind).field("message", &self.message).finish()
    }
}

/// What a subscriber may return as `Err`: a failure event, which is published, or any error, which is retried by policy.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a subscriber",
    label = "neither a failure event nor an error",
    note = "derive `Event` with `#[event(…, failure)]`, or implement `std::error::Error`"
)]
pub trait HandlerFailure {
    /// What the runtime makes of it; `attempt` counts from 1.
    fn into_handler_error(self, attempt: u32) -> HandlerError;

    /// The events it publishes.
    fn declarations(_list: &mut Vec<&'static Declaration>) {}
}

impl<E: Into<BoxError>> HandlerFailure for E {
    fn into_handler_error(self, _attempt: u32) -> HandlerError {
        HandlerError::from_layer(self.into())
    }
}

/// So that `?` works in a handler: any error is retried by policy. Like `anyhow::Error`, this type is therefore no
/// `std::error::Error` itself.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

/// What tower layers carry a [`HandlerError`] in.
#[derive(Debug)]
struct Carried(HandlerError);

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Carried {}

impl From<HandlerError> for BoxError {
    fn from(error: HandlerError) -> Self {
        Box::new(Carried(error))
    }
}

/// What the derive of a failure event expands to.
pub(crate) fn failure<E: FailureEvent>(mut event: E, attempt: u32) -> HandlerError {
    event.set_retry_count(attempt.saturating_sub(1));
    let message = match event.error_code() {
        Some(code) => format!("{}: {} ({code})", E::DECLARATION.routing_key, event.error_message()),
        None => format!("{}: {}", E::DECLARATION.routing_key, event.error_message()),
    };
    let retryable = event.is_retryable();
    match PendingEvent::new(event) {
        Ok(event) => HandlerError::new(HandlerErrorKind::Failure { event: Box::new(event), retryable }, message),
        Err(error) => HandlerError::retry(error),
    }
}

/// The error for a handler that panicked.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> HandlerError {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    HandlerError::new(HandlerErrorKind::Panicked, format!("the handler panicked: {}", text.unwrap_or("no message")))
}

/// The error for a handler that took too long.
pub(crate) fn timed_out(timeout: Duration) -> HandlerError {
    HandlerError::new(HandlerErrorKind::TimedOut, format!("the handler took longer than {timeout:?}"))
}
