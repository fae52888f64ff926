//! What every request passes, in this order: whose page sent it, whether there is room for it, who sends it; then the
//! endpoint, within a time, counted, and not the end of the process where it panics.
//!
//! One layer, since each costs every request a boxed future and a copy of everything within it.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use tokio::sync::OwnedSemaphorePermit;
use tower::{Layer, Service};

use crate::{Gateway, auth, metrics, problem::Problem};

/// The door of a gateway.
#[derive(Clone)]
pub(crate) struct Door {
    gateway: Gateway,
    /// Whether only this machine can reach it, and needs no token.
    is_local: bool,
    asks: bool,
    /// The route behind it, where no router says.
    route: Option<&'static str>,
}

impl Door {
    /// For routes that need a token, where there are tokens.
    pub(crate) fn guarded(gateway: &Gateway, is_local: bool) -> Self {
        Self { gateway: gateway.clone(), is_local, asks: true, route: None }
    }

    /// Of one route, before which there is no router.
    pub(crate) fn to(self, route: &'static str) -> Self {
        Self { route: Some(route), ..self }
    }

    /// For routes that need none.
    pub(crate) fn open(gateway: &Gateway, is_local: bool) -> Self {
        Self { gateway: gateway.clone(), is_local, asks: false, route: None }
    }

    fn check(&self, request: &mut Request) -> Result<OwnedSemaphorePermit, Problem> {
        auth::check_origin(&self.gateway, self.is_local, request)?;
        // What is over the limit is refused at once, rather than left to wait for an answer that comes too late.
        let permit = Arc::clone(self.gateway.permits()).try_acquire_owned().map_err(|_| Problem::busy())?;
        if self.asks {
            auth::authenticate(&self.gateway, request)?;
        }
        Ok(permit)
    }
}

impl<S> Layer<S> for Door {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, door: self.clone() }
    }
}

/// Routes behind a [`Door`].
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    inner: S,
    door: Door,
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let start = Instant::now();
        let matched = || request.extensions().get().map(MatchedPath::as_str);
        let route = metrics::route(self.door.route.or_else(matched));
        let gateway = self.door.gateway.clone();
        let begun = self
            .door
            .check(&mut request)
            .map(|permit| (permit, catch_unwind(AssertUnwindSafe(|| self.inner.call(request)))));
        Box::pin(async move {
            let mut response = match begun {
                Err(problem) => problem.into_response(),
                Ok((_permit, Ok(answer))) => {
                    let answer = AssertUnwindSafe(answer).catch_unwind();
                    match tokio::time::timeout(gateway.limits().request_time, answer).await {
                        Ok(Ok(Ok(response))) => response,
                        Ok(Err(_)) => panicked(),
                        Err(_) => too_slow(),
                    }
                }
                Ok((_permit, Err(_))) => panicked(),
            };
            // Browsers are not to guess media types.
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            route.answered(response.status(), start.elapsed());
            Ok(response)
        })
    }
}

fn panicked() -> Response {
    tracing::error!("a request panicked");
    Problem::internal().into_response()
}

fn too_slow() -> Response {
    let detail = "the request took too long; send its body faster";
    Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "The request took too long", detail).into_response()
}
