//! The contract of a failure event.

use crate::event::Event;

/// An event that says what went wrong: `#[event(routing_key = "….failed", failure)]`.
///
/// The derive implements it from the fields `error_message: String`, `is_retryable: bool`, `retry_count: u32` and,
/// where there is one, `error_code: Option<String>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a failure event",
    label = "not a failure event",
    note = "give its `#[event(…)]` the attribute `failure` and a key that ends in `.failed` or `.error`"
)]
pub trait FailureEvent: Event {
    /// What went wrong, for people.
    fn error_message(&self) -> &str;

    /// What went wrong, for programs.
    fn error_code(&self) -> Option<&str> {
        None
    }

    /// Whether another attempt can succeed.
    fn is_retryable(&self) -> bool;

    /// How many attempts were made before this one.
    fn retry_count(&self) -> u32;

    /// Sets the number of attempts made before this one; the runtime does it for each attempt.
    fn set_retry_count(&mut self, retry_count: u32);
}
