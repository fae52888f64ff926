//! JSON as every part of the house reads and writes it, so that a text has one meaning on every way.
//!
//! Beside what JSON itself forbids, a text is refused
//! - where an object has a member twice: some readers take the first, some the last;
//! - where a list stands in place of an object, which serde would take for its fields in their order;
//! - where an integer has more than 64 bits and would become another number.
//!
//! What is written has no number that JSON cannot hold.

mod digits;
mod finite;
mod strict;

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

pub(crate) use self::finite::check_finite;
use self::{
    digits::{LongInteger, long_integers, may_have_long_integers},
    strict::Strict,
};
use crate::error::{PayloadFault, json_pointer};

/// The fault of a text that cannot be read: its place and its error.
#[derive(Debug)]
pub struct JsonFault {
    pointer: String,
    error: serde_json::Error,
}

impl JsonFault {
    /// A fault that the reader of a type has found by itself.
    pub(crate) fn new(pointer: &str, detail: &str) -> Self {
        Self { pointer: pointer.to_owned(), error: serde::de::Error::custom(detail) }
    }

    /// The place of the fault as a JSON pointer; empty for the whole text.
    #[must_use]
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The description of the fault.
    #[must_use]
    pub fn detail(&self) -> String {
        self.error.to_string()
    }

    /// Whether the text is no JSON at all.
    #[must_use]
    pub fn is_syntax(&self) -> bool {
        !self.error.is_data()
    }

    pub(crate) fn into_parts(self) -> (PayloadFault, serde_json::Error) {
        let Self { pointer, error } = self;
        (PayloadFault { pointer, detail: error.to_string() }, error)
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() { self.error.fmt(f) } else { write!(f, "at {:?}: {}", self.pointer, self.error) }
    }
}

impl std::error::Error for JsonFault {}

/// Reads a text into a tree.
///
/// # Errors
/// [`JsonFault`]: the text is no JSON, has a member twice, or an integer of more than 64 bits.
///
/// ```
/// use bloodbank_core::json::read_value;
///
/// assert_eq!(read_value(br#"{"a": 1}"#)?["a"], 1);
/// let fault = read_value(br#"{"a": {"b": 1, "b": 2}}"#).unwrap_err();
/// assert_eq!(fault.pointer(), "/a");
/// # Ok::<_, bloodbank_core::json::JsonFault>(())
/// ```
pub fn read_value(text: &[u8]) -> Result<Value, JsonFault> {
    let value = read(text)?;
    match long_integers(text).first() {
        None => Ok(value),
        Some(found) => Err(changed(found)),
    }
}

/// Reads a text and keeps it as it is. What is within it is looked at by whoever reads that.
///
/// # Errors
/// [`JsonFault`]: the text is no JSON.
pub fn read_text(text: &[u8]) -> Result<Box<RawValue>, JsonFault> {
    read(text)
}

/// Reads a text into a type that may borrow from it. An integer of more than 64 bits is not looked for.
pub(crate) fn read<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, JsonFault> {
    match read_unexplained(text) {
        Ok(value) => Ok(value),
        Err(_) => Err(explain::<T>(text)),
    }
}

/// Reads a text into a type; an error does not tell its place.
pub(crate) fn read_unexplained<'de, T: Deserialize<'de>>(text: &'de [u8]) -> serde_json::Result<T> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = T::deserialize(Strict(&mut deserializer))?;
    deserializer.end()?;
    Ok(value)
}

/// Reads a tree into a type.
pub(crate) fn read_tree<T: DeserializeOwned>(tree: Value) -> Result<T, JsonFault> {
    serde_path_to_error::deserialize(Strict(tree)).map_err(fault)
}

/// Reads a text again, for the sake of the place of its fault.
#[cold]
fn explain<'de, T: Deserialize<'de>>(text: &'de [u8]) -> JsonFault {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    match serde_path_to_error::deserialize::<_, T>(Strict(&mut deserializer)) {
        Err(error) => fault(error),
        Ok(_) => {
            let error = deserializer.end().err().unwrap_or_else(|| serde::de::Error::custom("cannot be read"));
            JsonFault { pointer: String::new(), error }
        }
    }
}

fn fault(error: serde_path_to_error::Error<serde_json::Error>) -> JsonFault {
    JsonFault { pointer: json_pointer(error.path()), error: error.into_inner() }
}

fn changed(found: &LongInteger<'_>) -> JsonFault {
    JsonFault::new(&found.pointer, "the integer has more than 64 bits and would be changed; send it as text")
}

/// Refuses a value in which an integer of the text that it was read from has become another number: one of more than 64
/// bits keeps its digits in a field of 128 bits, and nowhere else.
pub(crate) fn check_digits<T: Serialize>(text: &[u8], value: &T) -> Result<(), JsonFault> {
    if !may_have_long_integers(text) {
        return Ok(());
    }
    compare_digits(text, &|| serde_json::to_vec(value).unwrap_or_default())
}

#[cold]
fn compare_digits(text: &[u8], write: &dyn Fn() -> Vec<u8>) -> Result<(), JsonFault> {
    let found = long_integers(text);
    if found.is_empty() {
        return Ok(());
    }
    let written = write();
    let kept = long_integers(&written);
    let tree: Value = serde_json::from_slice(&written).unwrap_or_default();
    // A member that the type does not know is not there any more, and was not changed.
    let is_changed = |integer: &&LongInteger<'_>| !kept.contains(integer) && tree.pointer(&integer.pointer).is_some();
    found.iter().find(is_changed).map_or(Ok(()), |integer| Err(changed(integer)))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use serde_json::{json, value::RawValue};

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        x: i64,
        #[serde(default)]
        y: Option<u8>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Choice {
        Unit,
        New(Inner),
        Pair(u8, u8),
        Struct { a: u8 },
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Outer {
        inner: Option<Inner>,
        list: Vec<Inner>,
        map: BTreeMap<String, Value>,
        numbered: HashMap<u32, bool>,
        choices: Vec<Choice>,
        big: u128,
        free: Value,
        pair: (u8, u8),
    }

    fn outer(text: &str) -> Result<Outer, JsonFault> {
        let value = read(text.as_bytes())?;
        check_digits(text.as_bytes(), &value)?;
        Ok(value)
    }

    #[test]
    fn what_is_right_is_read_as_by_serde() {
        let text = r#"{"inner": {"x": -5, "unknown": [{"a": 1}]}, "list": [{"x": 1, "y": 2}], "map": {"a": [1, {"b": null}]},
            "numbered": {"7": true}, "choices": ["Unit", {"New": {"x": 1}}, {"Pair": [1, 2]}, {"Struct": {"a": 3}}],
            "big": 340282366920938463463374607431768211455, "free": 18446744073709551615, "pair": [1, 2]}"#;
        assert_eq!(outer(text).unwrap(), serde_json::from_str(text).unwrap());
        assert_eq!(outer(text).unwrap().big, u128::MAX);
        let raw: HashMap<&str, &RawValue> = read(br#"{"a": {"b":  1}}"#).unwrap();
        assert_eq!(raw["a"].get(), r#"{"b":  1}"#);
        let escaped: BTreeMap<String, u8> = read(br#"{"\u0061": 1}"#).unwrap();
        assert_eq!(escaped["a"], 1);
    }

    #[test]
    fn what_has_two_meanings_is_refused_with_its_place() {
        let many: Vec<_> = (0..100).map(|number| format!("\"k{number}\": 0")).collect();
        let many = format!(r#"{{"free": {{{}, "k7": 1}}}}"#, many.join(","));
        for (text, pointer, detail) in [
            (r#"{"inner": {"x": 1, "x": 2}}"#, "/inner", "duplicate field `x`"),
            (r#"{"map": {"a": 1, "\u0061": 2}}"#, "/map", "duplicate field `a`"),
            (r#"{"free": [{"a": {"b": 1, "b": 1}}]}"#, "/free/0/a", "duplicate field `b`"),
            (r#"{"numbered": {"7": true, "7": false}}"#, "/numbered", "duplicate field `7`"),
            (r#"{"unknown": {"a": 1, "a": 1}}"#, "/unknown", "duplicate field `a`"),
            (r#"{"unknown": 1, "unknown": 1}"#, "", "duplicate field `unknown`"),
            (&many, "/free", "duplicate field `k7`"),
            (r#"["x"]"#, "", "invalid type: sequence, expected struct Outer"),
            (r#"{"inner": [1]}"#, "/inner", "invalid type: sequence, expected struct Inner"),
            (r#"{"list": [{"x": 1}, [1, 2]]}"#, "/list/1", "invalid type: sequence"),
            (r#"{"choices": [{"Struct": [3]}]}"#, "/choices/0/Struct", "invalid type: sequence"),
            (r#"{"free": 18446744073709551616}"#, "/free", "more than 64 bits"),
            (r#"{"free": {"a/b": [0, -9223372036854775809]}}"#, "/free/a~1b/1", "more than 64 bits"),
            (r#"{"inner": {"x": "1"}}"#, "/inner/x", "invalid type: string"),
        ] {
            let fault = outer(text).unwrap_err();
            assert_eq!(fault.pointer(), pointer, "{text}: {fault}");
            assert!(fault.to_string().contains(detail) && !fault.is_syntax(), "{text}: {fault}");
        }
        for text in [r#"{"a": 1} x"#, "{", "", r#"{"free": 1e999}"#] {
            assert!(outer(text).unwrap_err().is_syntax(), "{text}");
        }
        assert!(outer(r#"{"unknown": 18446744073709551616}"#).is_ok(), "it is not kept, and so not changed");
        let tree = json!({ "inner": [1] });
        assert_eq!(read_tree::<Outer>(tree).unwrap_err().pointer(), "/inner");
        assert_eq!(read_value(br#"{"a": [1, 99999999999999999999]}"#).unwrap_err().pointer(), "/a/1");
        assert_eq!(read_value(br#"{"a": "99999999999999999999", "b": 1e30}"#).unwrap()["b"], 1e30);
    }
}
