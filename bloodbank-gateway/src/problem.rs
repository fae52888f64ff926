//! Error answers in the form of RFC 9457: `application/problem+json`, with a JSON pointer for each invalid field.

use std::error::Error as _;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bloodbank_core::{Error, ErrorKind, PayloadFault};
use serde::Serialize;
use tracing::error;
use uuid::Uuid;

/// The answer to a request that was refused, as RFC 9457 defines it. It tells nothing about the inside of the gateway.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// The kind of problem, for programs: `urn:bloodbank:invalid-event`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem in words, the same for every problem of this kind.
    pub title: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The fault of this request, and the remedy.
    pub detail: String,
    /// The invalid fields of the body, one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The number of invalid fields beyond those that are listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted_errors: u32,
    /// The id of the event that may or may not be on the bus, under which it can be published again.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Box<Uuid>>,
    #[serde(skip)]
    retry_after: Option<u32>,
    #[serde(skip)]
    challenge: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// An invalid field of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FieldError {
    /// The place of the field as a JSON pointer; empty for the whole body.
    pub pointer: String,
    /// The fault of the field.
    pub detail: String,
}

impl FieldError {
    /// Names the place of a field and what is wrong with it.
    #[must_use]
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

impl Problem {
    pub(crate) fn new(status: StatusCode, slug: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:bloodbank:{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            omitted_errors: 0,
            event_id: None,
            retry_after: None,
            challenge: false,
        }
    }

    /// Answers 400: the request cannot be understood.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request", detail)
    }

    /// Answers 404: the request names something that does not exist here.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", detail)
    }

    /// Answers 422: these fields make the event invalid.
    #[must_use]
    pub fn invalid(detail: impl Into<String>, errors: Vec<FieldError>) -> Self {
        let title = "The event is invalid";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-event", title, detail).with_errors(errors)
    }

    pub(crate) fn with_errors(self, errors: Vec<FieldError>) -> Self {
        Self { errors, ..self }
    }

    /// Adds the id of the event, where it may be on the bus although this is a problem.
    pub(crate) fn with_event_id(self, event_id: Uuid) -> Self {
        let is_unconfirmed = self.status == StatusCode::SERVICE_UNAVAILABLE.as_u16();
        Self { event_id: is_unconfirmed.then(|| Box::new(event_id)), ..self }
    }

    /// The id of the event that may be on the bus.
    #[cfg(feature = "mcp")]
    pub(crate) fn event_id(&self) -> Option<Uuid> {
        self.event_id.as_deref().copied()
    }

    /// Answers 409: the key of the request belongs to another one.
    pub(crate) fn reused_key() -> Self {
        let detail = "the `Idempotency-Key` was used for another request within the last 24 hours; use a new one for a new event";
        Self::new(StatusCode::CONFLICT, "idempotency-key-reused", "The key is in use", detail)
    }

    pub(crate) fn media_type(detail: impl Into<String>) -> Self {
        let title = "Unsupported media type";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", title, detail)
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large", detail)
    }

    pub(crate) fn unauthorised() -> Self {
        let detail = "send the header `Authorization: Bearer TOKEN` with one of the tokens of this gateway";
        let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthorised", "Authentication required", detail);
        Self { challenge: true, ..problem }
    }

    /// Answers 401: the signature of a webhook is missing or wrong.
    #[must_use]
    pub fn unsigned(header: &str) -> Self {
        let detail = format!(
            "the header `{header}` has no valid signature of the body; sign it with the secret of this webhook"
        );
        Self::new(StatusCode::UNAUTHORIZED, "unsigned", "Invalid signature", detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "Permission denied", detail)
    }

    pub(crate) fn busy() -> Self {
        Self::unavailable("the gateway is handling as many requests as it may at a time; try again")
    }

    /// Answers 503: the request cannot be served now, and may be sent again.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let title = "Temporarily unavailable";
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title, detail) }
    }

    /// Answers 408: the request did not arrive in time.
    #[must_use]
    pub fn timeout(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "timeout", "Request timeout", detail)
    }

    pub(crate) fn internal() -> Self {
        let detail = "the gateway could not handle this request; its log has the reason";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }

    /// Puts a pointer in front of the place of every invalid field.
    pub(crate) fn below(mut self, pointer: &str) -> Self {
        for error in &mut self.errors {
            error.pointer.insert_str(0, pointer);
        }
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<&PayloadFault> for FieldError {
    fn from(fault: &PayloadFault) -> Self {
        Self { pointer: fault.pointer.clone(), detail: fault.detail.clone() }
    }
}

/// Whether a payload could not be read as JSON at all, although it looked like JSON.
fn is_no_json(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref());
    source.is_some_and(serde_json::Error::is_syntax)
}

// An error about the event is told to the client; an error about the inside of the gateway is written to the log.
impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::UnknownEvent => Self::not_found(unknown_event(&error.to_string())),
            ErrorKind::InvalidKey | ErrorKind::InvalidEnvelope | ErrorKind::InvalidHeader => {
                Self::invalid(error.to_string(), error.faults().iter().map(FieldError::from).collect())
            }
            ErrorKind::InvalidPayload if is_no_json(&error) => Self::bad_request(error.to_string()),
            ErrorKind::InvalidPayload => {
                let faults: Vec<_> = error.faults().iter().map(FieldError::from).collect();
                let omitted_errors = u32::try_from(error.omitted_faults()).unwrap_or(u32::MAX);
                let problem = match faults.len() + error.omitted_faults() {
                    0 => Self::invalid(error.to_string(), faults),
                    1 => Self::invalid("one field of the payload is invalid", faults),
                    count => Self::invalid(format!("{count} fields of the payload are invalid"), faults),
                };
                Self { omitted_errors, ..problem }
            }
            ErrorKind::TooLarge => Self::too_large(error.to_string()),
            ErrorKind::Unrouted => Self::new(
                StatusCode::CONFLICT,
                "unrouted",
                "No receiver",
                "no queue receives this event; start its subscriber or its executor",
            ),
            ErrorKind::Refused | ErrorKind::Connection | ErrorKind::Deadline | ErrorKind::Closed => {
                error!(%error, "the bus did not take an event");
                Self::unavailable(
                    "the bus did not confirm in time; try again with the same `Idempotency-Key` or `event_id`",
                )
            }
            ErrorKind::Storage => {
                error!(%error, "a store failed");
                Self::unavailable("a store of the gateway does not answer; try again")
            }
            ErrorKind::CommandFailed => {
                Self::new(StatusCode::CONFLICT, "command-failed", "The command failed", error.to_string())
            }
            ErrorKind::Topology | ErrorKind::Settings | ErrorKind::Registry | ErrorKind::MissingState => {
                error!(%error, "a request failed");
                Self::internal()
            }
        }
    }
}

/// Replaces the remedy for the author of the program, who can link a crate, by one for a client, who cannot.
fn unknown_event(sentence: &str) -> String {
    match sentence.split_once("; link the crate") {
        Some((sentence, _)) => format!("{sentence}; `GET /registry/events` lists the registered events"),
        None => sentence.to_owned(),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer, Basic realm=\"bloodbank\""));
        }
        response
    }
}
