//! The owned routing key.

use std::sync::Arc;

use crate::error::KeyError;
use crate::invalid_key::InvalidKey;
use crate::key::{check_key, check_wire_key, first_segment};
use crate::text::{Text, text_traits};

/// A routing key that has been checked. Cloning it never copies the text.
///
/// Compares, sorts and hashes as its text does.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoutingKey(Text);

impl RoutingKey {
    /// Makes a key from a literal; a bad one in a constant does not compile.
    ///
    /// ```
    /// use bloodbank_routing::RoutingKey;
    /// const PLACED: RoutingKey = RoutingKey::from_static("orders.order.placed");
    /// assert_eq!(PLACED, "orders.order.placed");
    /// ```
    ///
    /// ```compile_fail
    /// use bloodbank_routing::RoutingKey;
    /// const PLACED: RoutingKey = RoutingKey::from_static("Orders.placed");
    /// // a segment has an upper-case letter; write segments in snake_case
    /// ```
    ///
    /// # Panics
    /// If [`check_key`] refuses the text.
    #[must_use]
    #[track_caller]
    pub const fn from_static(text: &'static str) -> Self {
        match check_key(text) {
            Ok(()) => Self(Text::Static(text)),
            Err(error) => panic!("{}", error.message()),
        }
    }

    /// Parses a key that must follow Bloodbank's grammar: [`check_key`].
    ///
    /// # Errors
    /// The text and the first broken rule.
    ///
    /// ```
    /// use bloodbank_routing::RoutingKey;
    /// assert_eq!(RoutingKey::parse("orders.placed").unwrap().domain(), "orders");
    /// assert!(RoutingKey::parse("orders.2").is_err());
    /// ```
    pub fn parse(text: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, InvalidKey> {
        Self::checked(text, check_key)
    }

    /// Parses a key that came over the wire and may be that of another program: [`check_wire_key`].
    ///
    /// # Errors
    /// The text and the first broken rule.
    ///
    /// ```
    /// use bloodbank_routing::RoutingKey;
    /// assert!(RoutingKey::parse_wire("fireflies.transcriptReady").is_ok());
    /// ```
    pub fn parse_wire(text: impl AsRef<str> + Into<Arc<str>>) -> Result<Self, InvalidKey> {
        Self::checked(text, check_wire_key)
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

    pub(crate) fn from_checked(text: String) -> Self {
        Self(Text::Shared(text.into()))
    }

    pub(crate) fn into_text(self) -> Text {
        self.0
    }

    /// The words between the dots.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> + Clone {
        self.as_str().split('.')
    }

    /// The domain of the key: its first segment.
    pub fn domain(&self) -> &str {
        first_segment(self.as_str())
    }
}

text_traits!(RoutingKey);

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    const STATIC: RoutingKey = RoutingKey::from_static("orders.placed");

    #[test]
    fn static_and_shared_keys_of_one_text_are_the_same_key() {
        let shared = RoutingKey::parse(String::from("orders.placed")).unwrap();
        assert_eq!(STATIC, shared);
        assert_eq!(HashSet::from([STATIC, shared.clone()]).len(), 1);
        assert_eq!(BTreeSet::from([STATIC, shared.clone()]).len(), 1);
        assert!(HashSet::from([shared]).contains("orders.placed"));
    }

    #[test]
    fn a_clone_shares_the_text() {
        let key = RoutingKey::parse("orders.placed").unwrap();
        assert_eq!(key.as_str().as_ptr(), key.clone().as_str().as_ptr());
    }

    #[test]
    fn reads_as_text() {
        assert_eq!(STATIC.to_string(), "orders.placed");
        assert_eq!(format!("{STATIC:>15}"), "  orders.placed");
        assert_eq!(format!("{STATIC:?}"), "\"orders.placed\"");
        assert!(STATIC.ends_with("placed"));
        assert_eq!(STATIC.segments().collect::<Vec<_>>(), ["orders", "placed"]);
        assert_eq!("orders.placed".parse(), Ok(STATIC));
        assert_eq!(RoutingKey::try_from("orders.placed"), Ok(STATIC));
    }

    #[test]
    #[should_panic(expected = "a segment has an upper-case letter; write segments in snake_case")]
    fn a_bad_literal_panics_with_the_remedy() {
        let _ = RoutingKey::from_static("Orders.placed");
    }
}
