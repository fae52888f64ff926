//! Errors as RFC 9457 has them: `application/problem+json`, with the JSON pointer of each fault.

use std::error::Error as _;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bloodbank_core::{Error, ErrorKind, PayloadFault};
use serde::Serialize;
use tracing::error;

/// Why a request was refused. Says nothing about the inside of the gateway.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// What kind of problem, for programs: `urn:bloodbank:invalid-payload`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// What is wrong with this request, and the remedy.
    pub detail: String,
    /// The faults of the body, one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemFault>,
    #[serde(skip)]
    retry_after: Option<u32>,
    #[serde(skip)]
    challenge: bool,
}

/// One fault of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProblemFault {
    /// Its place, as a JSON pointer; empty for the whole.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, slug: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:bloodbank:{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
            challenge: false,
        }
    }

    /// 400: the request cannot be understood.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", "The request cannot be understood", detail)
    }

    /// 404: there is no such thing.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
    }

    /// 422: the event has these faults.
    #[must_use]
    pub fn invalid(detail: impl Into<String>, errors: Vec<ProblemFault>) -> Self {
        let title = "The event is not valid";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-event", title, detail).with_errors(errors)
    }

    pub(crate) fn with_errors(self, errors: Vec<ProblemFault>) -> Self {
        Self { errors, ..self }
    }

    pub(crate) fn media_type(detail: impl Into<String>) -> Self {
        let title = "The media type is not supported";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", title, detail)
    }

    pub(crate) fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large", detail)
    }

    pub(crate) fn unauthorised() -> Self {
        let detail = "send `Authorization: Bearer TOKEN` with a token that the gateway knows";
        let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthorised", "A token is needed", detail);
        Self { challenge: true, ..problem }
    }

    /// 401: a webhook that is not signed as it should be.
    #[must_use]
    pub fn unsigned(header: &str) -> Self {
        let detail = format!("the body is not signed in `{header}` with the secret of this webhook");
        Self::new(StatusCode::UNAUTHORIZED, "unsigned", "The signature is wrong", detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "This is not allowed", detail)
    }

    pub(crate) fn busy() -> Self {
        Self::unavailable("the gateway has as many requests as it takes at a time; try again")
    }

    /// 503: not now.
    #[must_use]
    pub fn unavailable(detail: impl Into<String>) -> Self {
        let title = "Not now";
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title, detail) }
    }

    pub(crate) fn internal() -> Self {
        let detail = "the gateway failed; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "The gateway failed", detail)
    }

    /// Puts this in front of the place of every fault.
    pub(crate) fn below(mut self, pointer: &str) -> Self {
        for fault in &mut self.errors {
            fault.pointer.insert_str(0, pointer);
        }
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<&PayloadFault> for ProblemFault {
    fn from(fault: &PayloadFault) -> Self {
        Self { pointer: fault.pointer.clone(), detail: fault.detail.clone() }
    }
}

/// What the bus says. Where it is about the event, the client gets it; where it is about the inside, the log does.
/// Not everything that looks like JSON can be read as JSON.
fn is_no_json(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref());
    source.is_some_and(serde_json::Error::is_syntax)
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::UnknownEvent => Self::not_found(unknown_event(&error.to_string())),
            ErrorKind::InvalidKey | ErrorKind::InvalidEnvelope | ErrorKind::InvalidHeader => {
                Self::invalid(error.to_string(), error.faults().iter().map(ProblemFault::from).collect())
            }
            ErrorKind::InvalidPayload if is_no_json(&error) => Self::bad_request(error.to_string()),
            ErrorKind::InvalidPayload => {
                let faults: Vec<_> = error.faults().iter().map(ProblemFault::from).collect();
                match faults.len() {
                    0 => Self::invalid(error.to_string(), faults),
                    1 => Self::invalid("the payload has a fault", faults),
                    count => Self::invalid(format!("the payload has {count} faults"), faults),
                }
            }
            ErrorKind::TooLarge => Self::too_large(error.to_string()),
            ErrorKind::Unrouted => Self::new(
                StatusCode::CONFLICT,
                "unrouted",
                "Nobody receives this",
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
                Self::unavailable("a store does not answer; try again")
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

/// The remedy is of this program's author; its clients cannot link anything.
fn unknown_event(sentence: &str) -> String {
    match sentence.split_once("; link the crate") {
        Some((sentence, _)) => format!("{sentence}; `/registry/events` lists those that are"),
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
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
