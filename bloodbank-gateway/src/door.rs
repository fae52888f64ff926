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
use futures_util::{FutureExt, future::ready};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tower::{Layer, Service};

use crate::{
    Gateway,
    auth::{self, Caller},
    metrics::{self, Route},
    problem::Problem,
};

/// The answer to a request.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// The door of a gateway.
#[derive(Clone)]
pub(crate) struct Door {
    gateway: Gateway,
    /// Whether only this machine can reach it, and needs no token.
    is_local: bool,
    asks: bool,
}

impl Door {
    /// For routes that need a token, where there are tokens.
    pub(crate) fn guarded(gateway: &Gateway, is_local: bool) -> Self {
        Self { gateway: gateway.clone(), is_local, asks: true }
    }

    /// For routes that need none.
    pub(crate) fn open(gateway: &Gateway, is_local: bool) -> Self {
        Self { gateway: gateway.clone(), is_local, asks: false }
    }

    /// Lets a request in, and sees to it that it is answered: in time, and without panicking.
    pub(crate) fn guard<F>(
        &self,
        request: Request,
        route: Arc<Route>,
        answer: impl FnOnce(Caller, Request) -> F,
    ) -> Answer
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let start = Instant::now();
        let finish = move |mut response: Response| {
            // Browsers are not to guess media types.
            response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            route.answered(response.status(), start.elapsed());
            Ok(response)
        };
        let (caller, permit) = match self.check(&request) {
            Ok(checked) => checked,
            Err(problem) => return Box::pin(ready(finish(problem.into_response()))),
        };
        let Ok(answer) = catch_unwind(AssertUnwindSafe(|| answer(caller, request))) else {
            return Box::pin(ready(finish(panicked())));
        };
        // In combinators, because an async block would hold all of it twice.
        let answer = timeout(self.gateway.limits().request_time, AssertUnwindSafe(answer).catch_unwind());
        Box::pin(answer.map(move |answer| {
            drop(permit);
            finish(match answer {
                Ok(Ok(Ok(response))) => response,
                Ok(Err(_)) => panicked(),
                Err(_) => too_slow(),
            })
        }))
    }

    fn check(&self, request: &Request) -> Result<(Caller, OwnedSemaphorePermit), Problem> {
        auth::check_origin(&self.gateway, self.is_local, request)?;
        // What is over the limit is refused at once, rather than left to wait for an answer that comes too late.
        let permit = Arc::clone(self.gateway.permits()).try_acquire_owned().map_err(|_| Problem::busy())?;
        let caller = if self.asks { auth::authenticate(&self.gateway, request.headers())? } else { Caller::unknown() };
        Ok((caller, permit))
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
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Answer {
        let matched = request.extensions().get().map(MatchedPath::as_str);
        let route = metrics::route(matched.unwrap_or("none"));
        self.door.guard(request, route, |caller, mut request| {
            request.extensions_mut().insert(caller);
            self.inner.call(request)
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
