//! Reads the bodies of requests: bytes within a limit, and JSON that is not nested too deep.

use std::{borrow::Cow, error::Error as _};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header},
};
use bloodbank_core::json::{self, JsonFault};
use bytes::Bytes;
use http_body_util::LengthLimitError;
use serde_json::{Value, value::RawValue};

use crate::{
    limits::Limits,
    problem::{FieldError, Problem},
};

/// Reads a body to its end.
///
/// # Errors
/// A [`Problem`] says that the body is longer than the limit, or ended early.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, Problem> {
    to_bytes(body, limit).await.map_err(|error| {
        if error.source().is_some_and(|source| source.is::<LengthLimitError>()) {
            Problem::too_large(format!("the body is longer than {limit} bytes; send less, or a reference to the data"))
        } else {
            Problem::bad_request("the body ended early; send it again")
        }
    })
}

/// The media type of a request, without its parameters and in lower case.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let text = text.split(';').next().unwrap_or(text).trim();
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    Some(if is_lower { text.into() } else { text.to_ascii_lowercase().into() })
}

/// Reads a body as JSON, into a tree or as its text.
///
/// # Errors
/// A [`Problem`] says that the body is not JSON, has a member twice or an integer of more than 64 bits, or is nested too
/// deep.
pub fn parse_json<T: Json>(body: &[u8], limits: &Limits) -> Result<T, Problem> {
    if let Some(offset) = too_deep(body, limits.nesting) {
        let detail = format!("nested deeper than {} levels at byte {offset}", limits.nesting);
        let errors = vec![FieldError::new("", detail)];
        return Err(Problem::bad_request("the body is nested too deep; flatten it").with_errors(errors));
    }
    T::read(body).map_err(|fault| {
        if fault.is_syntax() {
            return Problem::bad_request(format!("the body is not JSON: {}", fault.detail()));
        }
        let errors = vec![FieldError::new(fault.pointer(), fault.detail())];
        Problem::invalid("the body can be read in more than one way", errors)
    })
}

/// A form that any JSON can be read into.
pub trait Json: sealed::Sealed + Sized {
    /// Reads a text.
    ///
    /// # Errors
    /// The text is no JSON, or has two meanings.
    fn read(text: &[u8]) -> Result<Self, JsonFault>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for serde_json::Value {}
    impl Sealed for Box<serde_json::value::RawValue> {}
}

impl Json for Value {
    fn read(text: &[u8]) -> Result<Self, JsonFault> {
        json::read_value(text)
    }
}

impl Json for Box<RawValue> {
    fn read(text: &[u8]) -> Result<Self, JsonFault> {
        json::read_text(text)
    }
}

/// The offset at which the nesting passes the limit.
fn too_deep(body: &[u8], limit: usize) -> Option<usize> {
    // Most bodies have fewer brackets than the limit, and need no closer look.
    if body.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() <= limit {
        return None;
    }
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (offset, byte) in body.iter().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return Some(offset);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_text_do_not_nest() {
        assert_eq!(too_deep(br#"{"a": "[[[[\"[[["}"#, 1), None);
        assert_eq!(too_deep(br#"[[1], [2], [[3]]]"#, 2), Some(12));
    }
}
