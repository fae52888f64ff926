//! The guard of every endpoint. It checks the origin of a request, whether there is room for it, and who sends it; then it
//! runs the endpoint within a time, counts the answer, and turns a panic into an answer.
//!
//! One layer does all of it, because each layer costs every request a boxed future and a copy of everything within it.

use std::{
    borrow::Cow,
    convert::Infallible,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::{FutureExt, future::ready};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tower::{Layer, Service};
use tracing::Instrument;

use crate::{
    access_log::{AccessRecord, request_span},
    auth::{Access, Caller, check_origin},
    gateway::Gateway,
    metrics,
    params::check_query,
    problem::Problem,
};

/// The future of a guarded answer.
pub(crate) type GuardFuture = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// The guard of an endpoint, as a layer.
#[derive(Clone)]
pub(crate) struct Guard {
    gateway: Gateway,
    access: Access,
    /// The names of the query parameters that the endpoint declares; `None` where none are declared: for pages, and where there
    /// is no endpoint.
    query: Option<Arc<[String]>>,
    /// Whether only this machine can reach the gateway, which then needs no token.
    is_local: bool,
}

impl Guard {
    pub(crate) fn new(gateway: &Gateway, access: Access, query: Option<Arc<[String]>>, is_local: bool) -> Self {
        Self { gateway: gateway.clone(), access, query, is_local }
    }

    fn check(&self, request: &Request) -> Result<(Caller, Option<OwnedSemaphorePermit>), Problem> {
        check_origin(self.gateway.origins(), self.is_local, request)?;
        check_encoding(request.headers())?;
        // A request over the limit is refused at once, rather than left to wait for an answer that comes too late. A probe
        // is answered also then: a busy gateway is not a dead one.
        let permit = if self.access == Access::Probe {
            None
        } else {
            Some(Arc::clone(self.gateway.permits()).try_acquire_owned().map_err(|_| Problem::busy())?)
        };
        let needs_token = self.access.needs_token();
        let mut caller = if needs_token { authenticate(&self.gateway, request.headers())? } else { Caller::unknown() };
        caller.address = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        self.access.check(&caller)?;
        if let Some(known) = &self.query {
            check_query(request.uri(), known)?;
        }
        Ok((caller, permit))
    }
}

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, guard: self.clone() }
    }
}

/// An endpoint behind its [`Guard`].
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    inner: S,
    guard: Guard,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = GuardFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> GuardFuture {
        let start = Instant::now();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let checked = self.guard.check(&request);
        let client = checked.as_ref().ok().and_then(|(caller, _)| caller.name.as_ref());
        let span = request_span(&request, route.as_ref(), self.guard.access);
        let record = AccessRecord::new(&request, client, span.clone());
        let finish = move |mut response: Response| {
            // Browsers must not guess media types.
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            let took = start.elapsed();
            record.finish(&mut response, took);
            let route = route.as_ref().map_or("none", MatchedPath::as_str);
            metrics::answered(route, response.status(), took);
            Ok(response)
        };
        let (caller, permit) = match checked {
            Ok(checked) => checked,
            Err(problem) => return Box::pin(ready(finish(problem.into_response()))),
        };
        request.extensions_mut().insert(caller);
        let Ok(answer) = catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) else {
            return Box::pin(ready(finish(panicked())));
        };
        // Combinators, because an async block would hold all of it twice.
        let answer = timeout(self.guard.gateway.limits().request_time, AssertUnwindSafe(answer).catch_unwind());
        let answer = answer.map(move |answer| {
            drop(permit);
            finish(match answer {
                Ok(Ok(Ok(response))) => response,
                Ok(Err(_)) => panicked(),
                Err(_) => too_slow(),
            })
        });
        match span {
            None => Box::pin(answer),
            Some(span) => Box::pin(answer.instrument(span)),
        }
    }
}

/// The caller of a request, by its token.
fn authenticate(gateway: &Gateway, headers: &HeaderMap) -> Result<Caller, Problem> {
    static ANYONE: LazyLock<Caller> = LazyLock::new(Caller::anyone);
    let tokens = gateway.tokens();
    if tokens.is_empty() {
        return Ok(ANYONE.clone());
    }
    secret(headers).and_then(|secret| tokens.find(&secret)).ok_or_else(Problem::unauthorised)
}

/// The secret of a request: after `Bearer`, or as the password of `Basic`, which is all that some clients know.
fn secret(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    let (scheme, credentials) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.into());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
    Some(decoded.split_once(':')?.1.to_owned().into())
}

/// Refuses a compressed body, which nobody here decompresses.
fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Problem::media_type("the body is compressed; send it without `Content-Encoding`"))
        }
        _ => Ok(()),
    }
}

fn panicked() -> Response {
    tracing::error!("a request panicked");
    Problem::internal().into_response()
}

fn too_slow() -> Response {
    Problem::timeout("the request took too long; send its body faster").into_response()
}
