//! What a server hands its requests to: the router, and past it the way that most of them take.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use axum::{
    BoxError, Router,
    body::{Body, Bytes, HttpBody},
    http::Request,
    response::Response,
    routing::future::RouteFuture,
};
use futures_util::future::Either;
use tower::{Layer, Service};

use crate::{
    Gateway,
    door::{Door, Guarded},
    gateway::routes,
    publish::Direct,
};

/// The endpoints of a gateway, for a server.
#[derive(Clone)]
pub(crate) struct Front {
    router: Router,
    /// To publish an event costs less than to find its way through a router and its layers. `None` where a layer has
    /// something to say about every request.
    direct: Option<Guarded<Direct>>,
}

impl Front {
    pub(crate) fn new(gateway: &Gateway, is_local: bool) -> Self {
        let door = Door::guarded(gateway, is_local).to(Direct::ROUTE);
        let direct = gateway.origins().is_empty().then(|| door.layer(Direct::new(gateway.clone())));
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
    type Future = Either<<Guarded<Direct> as Service<Request<Body>>>::Future, RouteFuture<Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Neither makes a request wait.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match &mut self.direct {
            Some(direct) if Direct::takes(&request) => Either::Left(direct.call(request.map(Body::new))),
            _ => Either::Right(self.router.call(request)),
        }
    }
}
