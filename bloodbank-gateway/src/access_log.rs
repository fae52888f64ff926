//! The span of each request, and the access log: a line for each, at the level `debug`, by whose id it is found again.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method},
    response::Response,
};
use bloodbank_core::telemetry::{SpanKind, SpanParent, SpanStart, begin_span, fail_span};
use tracing::{Span, debug, debug_span, field::Empty};
use uuid::Uuid;

use crate::{auth::Access, publish::trace};

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id of a request that is taken from its sender.
const LONGEST_ID: usize = 128;

/// The span of a request, of whose trace it is a part; `None` where nobody listens.
pub(crate) fn request_span(request: &Request, route: Option<&MatchedPath>, access: Access) -> Option<Span> {
    // A trace of each probe is of no use to anybody.
    if access == Access::Probe {
        return Some(debug_span!("probe")).filter(|span| !span.is_disabled());
    }
    let (method, route) = (request.method().as_str(), route.map_or("none", MatchedPath::as_str));
    let span = debug_span!("request", method, route, trace_id = Empty, http.response.status_code = Empty);
    if span.is_disabled() {
        return None;
    }
    begin_span(&span, || {
        let parent = SpanParent::Current(trace(request.headers()));
        SpanStart::new(SpanKind::Server, format!("{method} {route}"), parent)
            .attribute("http.request.method", method)
            .attribute("http.route", route)
            .attribute("url.path", request.uri().path().to_owned())
    });
    Some(span)
}

/// What the line of a request says.
pub(crate) struct AccessRecord {
    /// The id that the sender or a proxy gave the request; otherwise one of its own, where it is logged.
    id: Option<HeaderValue>,
    logged: Option<(Method, String, Option<Arc<str>>)>,
    span: Option<Span>,
}

impl AccessRecord {
    /// Begins the line of a request of a client.
    pub(crate) fn new(request: &Request, client: Option<&Arc<str>>, span: Option<Span>) -> Self {
        // Not `enabled!`: what it answers would be taken for the next line by a subscriber whose layers have filters of their own.
        let is_logged = span.is_some();
        let given = request.headers().get(&REQUEST_ID).filter(|id| id.len() <= LONGEST_ID && id.to_str().is_ok());
        let own = || HeaderValue::try_from(Uuid::new_v4().to_string()).ok();
        Self {
            id: given.cloned().or_else(|| if is_logged { own() } else { None }),
            logged: is_logged.then(|| (request.method().clone(), request.uri().path().to_owned(), client.cloned())),
            span,
        }
    }

    /// Writes the line, and gives the answer the id of its request.
    pub(crate) fn finish(self, response: &mut Response, took: Duration) {
        if let Some(span) = &self.span {
            let status = response.status();
            span.record("http.response.status_code", status.as_u16());
            if status.is_server_error() {
                fail_span(span, status.as_str(), &status);
            }
        }
        let Some(id) = self.id else { return };
        if let Some((method, path, client)) = self.logged {
            let (status, request_id) = (response.status().as_u16(), id.to_str().unwrap_or_default());
            debug!(%method, path, status, ?took, client = client.as_deref(), request_id, "answered a request");
        }
        response.headers_mut().insert(&REQUEST_ID, id);
    }
}
