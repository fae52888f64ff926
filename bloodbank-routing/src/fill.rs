//! Filling in templates: from a template and the values of its fields to a key.

use std::fmt;

use crate::error::{KeyError, MAX_LEN};
use crate::explain::explain;
use crate::key::check_segment;
use crate::routing_key::RoutingKey;
use crate::template::{Segment, template_segments};

/// A template that cannot be filled in with the values of an event's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FillError {
    /// The value of a field is not a valid segment.
    Value {
        /// The name of the field, as the template has it.
        field: Box<str>,
        /// The value of the field.
        value: Box<str>,
        /// The rule that the value breaks.
        error: KeyError,
    },
    /// Every value is a valid segment, but the whole key is longer than [`MAX_LEN`].
    TooLong {
        /// The length of the key, in bytes.
        len: usize,
    },
}

impl fmt::Display for FillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { field, value, error } => {
                write!(f, "field `{field}` cannot be put into the routing key: {}", explain(value, error))
            }
            Self::TooLong { len } => write!(
                f,
                "the fields make a routing key of {len} bytes; at most {MAX_LEN} are allowed, use shorter values"
            ),
        }
    }
}

impl std::error::Error for FillError {}

impl RoutingKey {
    /// Fills in a template: each placeholder is replaced by what `write_value` writes for its name. The
    /// template must have passed [`check_template`](crate::check_template).
    ///
    /// # Errors
    /// A value that is not a valid segment, or a key of more than [`MAX_LEN`] bytes.
    ///
    /// ```
    /// use bloodbank_routing::RoutingKey;
    /// let fill = |action: &str| RoutingKey::fill("artifact.{action}", |_, out| out.push_str(action));
    /// assert_eq!(fill("created").unwrap(), "artifact.created");
    /// assert_eq!(
    ///     fill("Re-created").unwrap_err().to_string(),
    ///     "field `action` cannot be put into the routing key: \
    ///      segment value `Re-created` has an upper-case letter; write `re_created`"
    /// );
    /// ```
    pub fn fill(template: &str, mut write_value: impl FnMut(&str, &mut String)) -> Result<Self, FillError> {
        let mut key = String::with_capacity(template.len() + 16);
        let mut value = String::new();
        for (i, segment) in template_segments(template).enumerate() {
            if i > 0 {
                key.push('.');
            }
            match segment {
                Segment::Literal(word) => key.push_str(word),
                Segment::Placeholder(field) => {
                    value.clear();
                    write_value(field, &mut value);
                    if let Err(error) = check_segment(&value) {
                        return Err(FillError::Value { field: field.into(), value: value.into(), error });
                    }
                    key.push_str(&value);
                }
            }
        }
        if key.len() > MAX_LEN {
            return Err(FillError::TooLong { len: key.len() });
        }
        Ok(Self::from_checked(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_each_value_in_its_place() {
        let key = RoutingKey::fill("{domain}.order.{r#type}", |field, out| match field {
            "domain" => out.push_str("orders"),
            "r#type" => out.push_str("42"),
            other => panic!("{other}"),
        });
        assert_eq!(key.unwrap(), "orders.order.42");
    }

    #[test]
    fn refuses_values_that_would_change_the_shape_of_the_key() {
        for value in ["", ".", "a.b", "a.", "*", "#", "-1", "ü"] {
            let filled = RoutingKey::fill("a.{b}", |_, out| out.push_str(value));
            assert!(matches!(filled, Err(FillError::Value { .. })), "{value:?}: {filled:?}");
        }
    }

    #[test]
    fn refuses_a_key_that_becomes_too_long() {
        let filled = RoutingKey::fill("a.{b}.{c}", |_, out| out.push_str(&"x".repeat(126)));
        assert_eq!(filled.as_ref().map(|key| key.len()), Ok(255));
        let filled = RoutingKey::fill("ab.{b}.{c}", |_, out| out.push_str(&"x".repeat(126)));
        assert_eq!(filled, Err(FillError::TooLong { len: 256 }));
    }
}
