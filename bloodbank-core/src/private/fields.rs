//! Bounds on the fields of failure events: with bounds, aliases count and a message can name the remedy.

/// The field `error_message` of a failure event.
#[diagnostic::on_unimplemented(
    message = "field `error_message` of a failure event cannot be `{Self}`",
    label = "not a `String`",
    note = "write `error_message: String`"
)]
pub trait ErrorMessage {
    /// The text of the error message.
    fn get(&self) -> &str;
}

impl ErrorMessage for String {
    fn get(&self) -> &str {
        self
    }
}

/// The field `error_code` of a failure event.
#[diagnostic::on_unimplemented(
    message = "field `error_code` of a failure event cannot be `{Self}`",
    label = "not an `Option<String>`",
    note = "write `error_code: Option<String>`"
)]
pub trait ErrorCode {
    /// The text of the error code.
    fn get(&self) -> Option<&str>;
}

impl ErrorCode for Option<String> {
    fn get(&self) -> Option<&str> {
        self.as_deref()
    }
}

/// The field `is_retryable` of a failure event.
#[diagnostic::on_unimplemented(
    message = "field `is_retryable` of a failure event cannot be `{Self}`",
    label = "not a `bool`",
    note = "write `is_retryable: bool`"
)]
pub trait IsRetryable {
    /// The value of the field.
    fn get(&self) -> bool;
}

impl IsRetryable for bool {
    fn get(&self) -> bool {
        *self
    }
}

/// The field `retry_count` of a failure event.
#[diagnostic::on_unimplemented(
    message = "field `retry_count` of a failure event cannot be `{Self}`",
    label = "not a `u32`",
    note = "write `retry_count: u32`"
)]
pub trait RetryCount {
    /// The value of the field.
    fn get(&self) -> u32;

    /// Sets the value of the field.
    fn set(&mut self, count: u32);
}

impl RetryCount for u32 {
    fn get(&self) -> u32 {
        *self
    }

    fn set(&mut self, count: u32) {
        *self = count;
    }
}
