//! The value of a header.

use std::borrow::Cow;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Headers, Text};

/// The value of a header. Text, integers and booleans are what they are in JSON; the others are an object with the name
/// of their type: `{"float": "0.5"}`, `{"bytes": "fffe"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeaderValue {
    /// A number with a fraction. In JSON as text, which has every one of them.
    Float(#[serde(with = "float")] f64),
    /// A decimal number: `value` divided by ten to the power of `scale`.
    Decimal {
        /// The number of digits behind the point.
        scale: u8,
        /// The digits as one number.
        value: u32,
    },
    /// A time, to the second.
    Timestamp(DateTime<Utc>),
    /// Bytes that are no text. In JSON in hexadecimal digits.
    Bytes(#[serde(with = "hex")] Bytes),
    /// A list of values.
    List(Vec<Self>),
    /// A table of values.
    Table(Headers),
    /// Text.
    #[serde(untagged)]
    Text(Text),
    /// An integer.
    #[serde(untagged)]
    Integer(i64),
    /// True or false.
    #[serde(untagged)]
    Boolean(bool),
    /// No value; `null` in JSON.
    #[serde(untagged)]
    Void,
}

impl HeaderValue {
    /// The text of the value, if it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The integer of the value, if it is one.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(*integer),
            _ => None,
        }
    }

    /// The size of the value in bytes, roughly as on the wire.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(values) => values.iter().map(Self::size).sum(),
            Self::Table(table) => table.size(),
            Self::Integer(_) | Self::Float(_) | Self::Timestamp(_) => 8,
            Self::Decimal { .. } => 5,
            Self::Boolean(_) | Self::Void => 1,
        }
    }
}

/// A floating-point number as text: JSON has no infinity.
mod float {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Bytes in hexadecimal digits.
pub(crate) mod hex {
    use std::fmt::Write;

    use bytes::Bytes;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn digits(bytes: &[u8]) -> String {
        let mut digits = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            // A `String` takes everything.
            let _ = write!(digits, "{byte:02x}");
        }
        digits
    }

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&digits(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let digits = String::deserialize(deserializer)?;
        let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap_or_default());
        pairs.map(|pair| u8::from_str_radix(pair, 16)).collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}

impl From<&str> for HeaderValue {
    fn from(text: &str) -> Self {
        Self::Text(Cow::Owned(text.to_owned()))
    }
}

impl From<String> for HeaderValue {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i64> for HeaderValue {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<u32> for HeaderValue {
    fn from(integer: u32) -> Self {
        Self::Integer(integer.into())
    }
}

impl From<bool> for HeaderValue {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_json() {
        let mut table = Headers::default();
        let values = [
            HeaderValue::Float(0.1),
            HeaderValue::Float(f64::INFINITY),
            HeaderValue::Decimal { scale: 2, value: 5 },
            HeaderValue::Timestamp(DateTime::UNIX_EPOCH),
            HeaderValue::Bytes(Bytes::from_static(&[0, 0xff])),
            HeaderValue::List(vec![HeaderValue::Void, HeaderValue::Integer(-1)]),
            // A text that is called like a type.
            "bytes".into(),
            HeaderValue::Integer(i64::MIN),
            HeaderValue::Boolean(true),
            HeaderValue::Void,
        ];
        for (number, value) in values.into_iter().enumerate() {
            table.set(number.to_string(), value);
        }
        let mut headers = Headers::default();
        headers.set("table", HeaderValue::Table(table));
        let written = serde_json::to_string(&headers).unwrap();
        assert_eq!(serde_json::from_str::<Headers>(&written).unwrap(), headers, "{written}");
        assert!(written.contains(r#"{"bytes":"00ff"}"#), "{written}");
    }
}
