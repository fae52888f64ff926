//! A text that breaks the grammar, together with the error.

use std::fmt;

use crate::error::KeyError;
use crate::explain::explain;

/// A text that breaks the grammar, together with the error.
///
/// ```
/// let error = bloodbank_routing::RoutingKey::parse("Orders.placed").unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "routing key `Orders.placed` has an upper-case letter in segment `Orders`; write `orders.placed`"
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidKey {
    text: Box<str>,
    error: KeyError,
}

impl InvalidKey {
    pub(crate) fn new(text: &str, error: KeyError) -> Self {
        Self { text: text.into(), error }
    }

    /// The text that was checked.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The broken rule and its place in the text.
    pub const fn error(&self) -> KeyError {
        self.error
    }
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&explain(&self.text, &self.error))
    }
}

impl std::error::Error for InvalidKey {}
