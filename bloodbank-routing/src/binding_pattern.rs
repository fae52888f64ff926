//! The owned binding pattern.

use std::sync::Arc;

use crate::error::KeyError;
use crate::invalid_key::InvalidKey;
use crate::key::{check_pattern, check_wire_pattern};
use crate::matching::{covers, matches, overlaps};
use crate::routing_key::RoutingKey;
use crate::template::template_to_pattern;
use crate::text::{Text, text_traits};

/// A binding pattern that has been checked. Cloning it never copies the text.
///
/// Compares, sorts and hashes as its text does: `#` and `#.#` are different patterns.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindingPattern(Text);

impl BindingPattern {
    /// The pattern that every key matches.
    pub const EVERYTHING: Self = Self::from_static("#");

    /// Makes a pattern from a literal; a bad one in a constant does not compile.
    ///
    /// ```
    /// use bloodbank_routing::BindingPattern;
    /// const ORDERS: BindingPattern = BindingPattern::from_static("orders.#");
    /// assert!(ORDERS.matches("orders.order.placed"));
    /// ```
    ///
    /// # Panics
    /// If [`check_pattern`] refuses the text.
    #[must_use]
    #[track_caller]
    pub const fn from_static(text: &'static str) -> Self {
        match check_pattern(text) {
            Ok(()) => Self(Text::Static(text)),
            Err(error) => panic!("{}", error.message()),
        }
    }

    /// Parses a pattern that must follow Bloodbank's grammar: [`check_pattern`].
    ///
    /// # Errors
    /// The text and the first broken rule.
    pub fn parse(text: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, InvalidKey> {
        Self::checked(text, check_pattern)
    }

    /// Parses a pattern for keys that another program may have chosen: [`check_wire_pattern`].
    ///
    /// # Errors
    /// The text and the first broken rule.
    pub fn parse_wire(text: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, InvalidKey> {
        Self::checked(text, check_wire_pattern)
    }

    /// The pattern that matches the keys of a template: `*` for every placeholder.
    ///
    /// # Errors
    /// The pattern and the first rule of [`check_pattern`] that it breaks.
    ///
    /// ```
    /// use bloodbank_routing::BindingPattern;
    /// assert_eq!(BindingPattern::of_template("artifact.{action}").unwrap(), "artifact.*");
    /// ```
    pub fn of_template(template: &str) -> Result<Self, InvalidKey> {
        Self::parse(template_to_pattern(template))
    }

    fn checked(
        text: impl AsRef<str> + Into<Arc<str>>,
        check: fn(&str) -> Result<(), KeyError>,
    ) -> Result<Self, InvalidKey> {
        match check(text.as_ref()) {
            Ok(()) => Ok(Self(Text::Shared(text.into()))),
            Err(error) => Err(InvalidKey::new(text.as_ref(), error)),
        }
    }

    /// Whether a key matches the pattern: [`matches()`].
    pub fn matches(&self, key: &str) -> bool {
        matches(self.as_str(), key)
    }

    /// Whether some key matches both this pattern and another pattern or template: [`overlaps`].
    pub fn overlaps(&self, other: &str) -> bool {
        overlaps(self.as_str(), other)
    }

    /// Whether the pattern matches every key of a template: [`covers`].
    pub fn covers(&self, template: &str) -> bool {
        covers(self.as_str(), template)
    }

    /// Whether the pattern has a `*` or a `#`; a pattern without matches only one key.
    pub fn has_wildcard(&self) -> bool {
        self.as_str().contains(['*', '#'])
    }
}

/// Makes the pattern that only this key matches.
impl From<RoutingKey> for BindingPattern {
    fn from(key: RoutingKey) -> Self {
        Self(key.into_text())
    }
}

text_traits!(BindingPattern);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_the_matcher() {
        let pattern = BindingPattern::parse("orders.*").unwrap();
        assert!(pattern.matches("orders.placed"));
        assert!(!pattern.matches("orders.order.placed"));
        assert!(pattern.overlaps("*.placed"));
        assert!(pattern.covers("orders.{what}"));
        assert!(pattern.has_wildcard());
        assert!(BindingPattern::EVERYTHING.matches(""));
    }

    #[test]
    fn a_key_is_the_pattern_for_itself() {
        let key = RoutingKey::parse_wire("fireflies.transcriptReady").unwrap();
        let pattern = BindingPattern::from(key.clone());
        assert!(pattern.matches(&key));
        assert!(!pattern.has_wildcard());
    }

    #[test]
    fn refuses_with_a_sentence() {
        let error = BindingPattern::parse("orders.pl*").unwrap_err();
        assert_eq!(
            error.to_string(),
            "pattern `orders.pl*` has `*` inside segment `pl*`; \
             a wildcard stands for whole words, make it a segment of its own"
        );
        assert!(BindingPattern::parse("Orders.*").is_err());
        assert!(BindingPattern::parse_wire("Orders.*").is_ok());
    }
}
