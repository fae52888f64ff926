//! What a server hands its requests to: the router, and past it the way that most of them take.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    BoxError, Router,
    body::{Body, Bytes, HttpBody},
    extract::State,
    http::Request,
    response::{IntoResponse, Response},
    routing::future::RouteFuture,
};
use futures_util::{FutureExt, future::Either};
use tower::Service;

use crate::{
    Gateway,
    door::{Answer, Door},
    gateway::routes,
    metrics::{self, Route},
    publish,
};

/// The endpoints of a gateway, for a server.
#[derive(Clone)]
pub(crate) struct Front {
    router: Router,
    direct: Option<Direct>,
}

/// To publish an event costs less than to find its way through a router and its layers, and no other endpoint gets so many
/// requests.
#[derive(Clone)]
struct Direct {
    gateway: Gateway,
    door: Door,
    route: Arc<Route>,
}

impl Front {
    pub(crate) fn new(gateway: &Gateway, is_local: bool) -> Self {
        let direct = Direct {
            gateway: gateway.clone(),
            door: Door::guarded(gateway, is_local),
            route: metrics::route(publish::ROUTE),
        };
        // With origins, a layer has something to say about every request.
        let direct = gateway.origins().is_empty().then_some(direct);
        Self { router: routes(gateway.clone(), is_local), direct }
    }
}

impl<B> Service<Request<B>> for Front
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<Answer, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Neither makes a request wait.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match &self.direct {
            Some(direct) if publish::is_event(&request) => Either::Left(direct.answer(request.map(Body::new))),
            _ => Either::Right(self.router.call(request)),
        }
    }
}

impl Direct {
    fn answer(&self, request: Request<Body>) -> Answer {
        self.door.guard(request, Arc::clone(&self.route), |caller, request| {
            publish::event(State(self.gateway.clone()), caller, request).map(|answer| Ok(answer.into_response()))
        })
    }
}
