//! Errors of handlers.

use std::{any::Any, fmt, time::Duration};

use crate::{
    error::{BoxError, Error},
    event::{Declaration, FailureEvent, PendingEvent},
};

/// The error of a handler that did not handle an event; says whether another attempt can help.
///
/// `?` converts any error into a `HandlerError`.
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
    /// The error that it was made of.
    cause: Option<BoxError>,
}

#[derive(Debug)]
pub(crate) enum HandlerErrorKind {
    /// Retried by policy, or after the time the handler asked for.
    Retryable { after: Option<Duration> },
    /// Given up at once, without another attempt.
    Permanent { reason: &'static str },
    /// A failure event, which itself says whether another attempt can help.
    Failure { event: Box<PendingEvent>, retryable: bool },
    /// It is not known whether the event was handled, or it could not be tried: it waits, and uses up no attempt.
    Deferred,
    /// The handler exceeded its time limit.
    TimedOut,
    /// The handler panicked.
    Panicked,
}

impl HandlerError {
    /// The name of the kind, for traces.
    pub(crate) fn kind_name(&self) -> &str {
        match &self.kind {
            HandlerErrorKind::Retryable { .. } => "retryable",
            HandlerErrorKind::Permanent { reason } => reason,
            HandlerErrorKind::Failure { event, .. } => &event.routing_key,
            HandlerErrorKind::Deferred => "deferred",
            HandlerErrorKind::TimedOut => "timed-out",
            HandlerErrorKind::Panicked => "panicked",
        }
    }

    /// Another attempt can help; the retry policy decides when.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self::of(HandlerErrorKind::Retryable { after: None }, error.into())
    }

    /// Another attempt can help, but not before `delay` has passed.
    pub fn retry_after(delay: Duration, error: impl Into<BoxError>) -> Self {
        Self::of(HandlerErrorKind::Retryable { after: Some(delay) }, error.into())
    }

    /// No further attempt can help: the event is given up at once.
    pub fn permanent(error: impl Into<BoxError>) -> Self {
        Self::of(HandlerErrorKind::Permanent { reason: "failed" }, error.into())
    }

    /// A failure with a reason of its own, such as a message that cannot be read: it is given up at once.
    pub(crate) fn unreadable(reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(HandlerErrorKind::Permanent { reason }, message.into())
    }

    /// The error for a returned or collected event that is invalid.
    pub(crate) fn invalid_follow_up(error: &Error) -> Self {
        Self::unreadable("invalid-follow-up", error.to_string())
    }

    pub(crate) fn new(kind: HandlerErrorKind, message: String) -> Self {
        Self { kind, message, cause: None }
    }

    fn of(kind: HandlerErrorKind, cause: BoxError) -> Self {
        Self { kind, message: describe(&*cause), cause: Some(cause) }
    }

    /// The error that it was made of, and the sources of that, outermost first; none for a failure event.
    pub fn causes(&self) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
        let first = self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static));
        std::iter::successors(first, |error| error.source())
    }

    /// The error that a tower layer returned: a [`HandlerError`] unchanged, any other one retried by policy.
    pub(crate) fn from_layer(error: BoxError) -> Self {
        match error.downcast::<Carried>() {
            Ok(carried) => carried.0,
            Err(other) => Self::retry(other),
        }
    }
}

/// The error and its sources, in one line.
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

/// An error that a subscriber may return: a failure event, which is published, or any error, which is retried by
/// policy.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a subscriber",
    label = "neither an error that is `Send + Sync + 'static`, nor a failure event",
    note = "implement `std::error::Error` for it, for example with `#[derive(thiserror::Error)]`; or derive `Event` with `#[event(…, failure)]`",
    note = "in place of `Box<dyn Error>` write `Box<dyn Error + Send + Sync>`, `anyhow::Error` or `HandlerError`"
)]
pub trait HandlerFailure {
    /// Converts the failure into the error that the runtime settles by; `attempt` counts from 1.
    fn into_handler_error(self, attempt: u32) -> HandlerError;

    /// Adds the declarations of the failure events that are published.
    fn declarations(_list: &mut Vec<&'static Declaration>) {}
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> HandlerFailure for E {
    fn into_handler_error(self, _attempt: u32) -> HandlerError {
        HandlerError::from_layer(self.into())
    }
}

/// Converts any error, so that `?` works in a handler: it is retried by policy. Like `anyhow::Error`, this type is
/// therefore not a `std::error::Error` itself.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

/// The wrapper that carries a [`HandlerError`] through tower layers.
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

/// Converts a failure event into a handler error, with the number of attempts before this one; the derive calls this.
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

/// The error for work of a handler that panicked.
pub(super) fn panicked(what: &str, panic: &(dyn Any + Send)) -> HandlerError {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    HandlerError::new(HandlerErrorKind::Panicked, format!("{what} panicked: {}", text.unwrap_or("no message")))
}

/// The error for work of a handler that took too long.
pub(super) fn timed_out(what: &str, timeout: Duration) -> HandlerError {
    HandlerError::new(HandlerErrorKind::TimedOut, format!("{what} took longer than {timeout:?}"))
}
