//! The sender of a request, and the routing keys that the sender may publish and read.

use std::{net::IpAddr, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use bloodbank_core::{envelope::Source, routing::BindingPattern};

use crate::problem::Problem;

/// A set of patterns of routing keys. A key is allowed where one of them matches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns(Arc<[BindingPattern]>);

impl Patterns {
    /// Allows every key.
    #[must_use]
    pub fn everything() -> Self {
        Self([BindingPattern::EVERYTHING].into())
    }

    /// Allows no key.
    #[must_use]
    pub fn nothing() -> Self {
        Self([].into())
    }

    /// Whether a key is allowed.
    #[must_use]
    pub fn allow(&self, key: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(key))
    }

    /// Whether a key is allowed that this pattern or template matches too.
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

/// The sender of a request. An endpoint takes it as an extractor.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Caller {
    /// The name of the token; `None` where the gateway has no tokens.
    pub name: Option<Arc<str>>,
    /// The keys that the caller may publish.
    pub publish: Patterns,
    /// The keys that the caller may read.
    pub read: Patterns,
    /// The only `app` that the source of the caller's events may have; `None`: any.
    pub source: Option<Arc<str>>,
    /// The address that the request came from: that of the client, or of a proxy before the gateway. `None` where the server
    /// does not tell it.
    pub address: Option<IpAddr>,
}

impl Caller {
    /// A caller of a gateway without tokens, who may do everything.
    #[must_use]
    pub fn anyone() -> Self {
        Self { name: None, publish: Patterns::everything(), read: Patterns::everything(), source: None, address: None }
    }

    /// A caller who was not asked for a token, and may do nothing that needs one.
    pub(crate) fn unknown() -> Self {
        Self { name: None, publish: Patterns::nothing(), read: Patterns::nothing(), source: None, address: None }
    }

    /// Refuses a caller who may not publish this key.
    pub(crate) fn check_publish(&self, key: &str) -> Result<(), Problem> {
        if self.publish.allow(key) {
            return Ok(());
        }
        Err(Problem::forbidden(format!(
            "this token may not publish `{key}`; use one whose `publish` patterns match it"
        )))
    }

    /// Refuses an event whose source is not the one that the caller is bound to.
    pub(crate) fn check_source(&self, source: &Source) -> Result<(), Problem> {
        let bound = self.source.as_deref();
        if bound.is_none() || source.app.as_deref() == bound {
            return Ok(());
        }
        Err(Problem::forbidden(format!(
            "this token publishes only with the source `{}`; leave `source` out, or name that",
            bound.unwrap_or_default()
        )))
    }

    /// Refuses a caller who may not publish every key.
    pub(crate) fn check_publish_all(&self) -> Result<(), Problem> {
        if self.publish.are_everything() {
            return Ok(());
        }
        Err(Problem::forbidden("this token may not publish every event; use one whose `publish` patterns have `#`"))
    }

    /// Refuses a caller who may not read every key.
    pub(crate) fn check_read_all(&self) -> Result<(), Problem> {
        if self.read.are_everything() {
            return Ok(());
        }
        Err(Problem::forbidden("this token may not read every event; use one whose `read` patterns have `#`"))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, StatusCode> {
        // The guard of every endpoint puts it there.
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
