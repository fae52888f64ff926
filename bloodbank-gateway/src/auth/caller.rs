//! What a request may do.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use bloodbank_core::routing::BindingPattern;

use crate::problem::Problem;

/// Patterns of routing keys, any of which allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns(Arc<[BindingPattern]>);

impl Patterns {
    /// Every key.
    #[must_use]
    pub fn everything() -> Self {
        Self([BindingPattern::EVERYTHING].into())
    }

    /// No key.
    #[must_use]
    pub fn nothing() -> Self {
        Self([].into())
    }

    /// Whether one of them matches the key.
    #[must_use]
    pub fn allow(&self, key: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(key))
    }

    /// Whether one of them matches a key that the pattern or template matches too.
    #[must_use]
    pub fn overlap(&self, pattern: &str) -> bool {
        self.0.iter().any(|allowed| allowed.overlaps(pattern))
    }

    /// Whether every key is allowed.
    #[must_use]
    pub fn are_everything(&self) -> bool {
        self.0.iter().any(|pattern| pattern.as_str() == "#")
    }
}

impl FromIterator<BindingPattern> for Patterns {
    fn from_iter<I: IntoIterator<Item = BindingPattern>>(patterns: I) -> Self {
        Self(patterns.into_iter().collect())
    }
}

/// Who sent a request, and what they may do.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The name of the token; `None` where the gateway has no tokens.
    pub name: Option<Arc<str>>,
    /// The keys they may publish under.
    pub publish: Patterns,
    /// The keys they may read.
    pub read: Patterns,
}

impl Caller {
    /// Somebody who may do everything, where there are no tokens.
    #[must_use]
    pub fn anyone() -> Self {
        Self { name: None, publish: Patterns::everything(), read: Patterns::everything() }
    }

    /// Somebody who was not asked for a token, and may do nothing that takes one.
    pub(crate) fn unknown() -> Self {
        Self { name: None, publish: Patterns::nothing(), read: Patterns::nothing() }
    }

    pub(crate) fn check_publish(&self, key: &str) -> Result<(), Problem> {
        if self.publish.allow(key) {
            return Ok(());
        }
        Err(Problem::forbidden(format!(
            "this token may not publish `{key}`; use one whose `publish` patterns match it"
        )))
    }

    /// Whether they may read every event: what is not bound to one key.
    pub(crate) fn check_read_all(&self) -> Result<(), Problem> {
        if self.read.are_everything() {
            return Ok(());
        }
        Err(Problem::forbidden("this token may not read everything; use one whose `read` patterns have `#`"))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, StatusCode> {
        // Put there by the layer around every endpoint that takes it.
        parts.extensions.get::<Self>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_not_asked_for_a_token_may_do_nothing() {
        let caller = Caller::unknown();
        assert!(caller.check_publish("artifact.created").is_err());
        assert!(caller.check_read_all().is_err());
        assert!(!caller.read.overlap("#"));
    }
}
