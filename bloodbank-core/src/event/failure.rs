//! The contract of a failure event.

use crate::event::Event;

/// A failure event: an event that reports what went wrong, declared with `#[event(routing_key = "….failed", failure)]`.
///
/// The derive implements this trait from the fields `error_message: String`, `is_retryable: bool`, `retry_count: u32`
/// and, where there is one, `error_code: Option<String>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a failure event",
    label = "not a failure event",
    note = "give its `#[event(…)]` the attribute `failure` and a key that ends in `.failed` or `.error`"
)]
pub trait FailureEvent: Event {
    /// The error message, for people.
    fn error_message(&self) -> &str;

    /// The error code, for programs.
    fn error_code(&self) -> Option<&str> {
        None
    }

    /// Whether another attempt can succeed.
    fn is_retryable(&self) -> bool;

    /// The number of attempts before this one.
    fn retry_count(&self) -> u32;

    /// Sets the number of attempts before this one; the runtime calls this for each attempt.
    fn set_retry_count(&mut self, retry_count: u32);
}
