//! An endpoint: a row of the table from which the routes, the OpenAPI document and the access checks come.

use axum::{
    handler::Handler,
    http::Method,
    routing::{MethodFilter, MethodRouter, on},
};
use bloodbank_core::{Registry, registry::EventDescriptor};

use crate::{auth::Access, operation::Operation, schemas};

/// An endpoint of a gateway: its method and path, who may call it, its handler, and its description in the OpenAPI document.
///
/// An endpoint cannot be made without any of these, and a gateway serves nothing but endpoints.
///
/// ```
/// use axum::extract::State;
/// use bloodbank_gateway::{Access, Endpoint, Gateway, Operation};
///
/// async fn exchange(State(gateway): State<Gateway>) -> String {
///     gateway.bus().exchange().to_string()
/// }
///
/// let operation = Operation::new("exchange", "Names the exchange of the bus");
/// let endpoint = Endpoint::get("/exchange", Access::Token, exchange, operation);
/// # let _: Endpoint<Gateway> = endpoint;
/// ```
#[derive(Debug, Clone)]
pub struct Endpoint<S> {
    pub(crate) spec: EndpointSpec,
    pub(crate) handler: MethodRouter<S>,
}

/// An endpoint without its handler.
#[derive(Debug, Clone)]
pub(crate) struct EndpointSpec {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    operation: Operations,
}

#[derive(Debug, Clone)]
enum Operations {
    One(Box<Operation>),
    /// A wildcard path that stands for the path of every registered event.
    PerEvent(fn(&EventDescriptor) -> Operation),
}

impl<S: Clone + Send + Sync + 'static> Endpoint<S> {
    /// Makes an endpoint that answers GET, and HEAD.
    pub fn get<H: Handler<T, S>, T: 'static>(
        path: &'static str,
        access: Access,
        handler: H,
        operation: Operation,
    ) -> Self {
        let handler = on(MethodFilter::GET, handler);
        Self { spec: EndpointSpec::new(Method::GET, path, access, operation), handler }
    }

    /// Makes an endpoint that answers POST.
    pub fn post<H: Handler<T, S>, T: 'static>(
        path: &'static str,
        access: Access,
        handler: H,
        operation: Operation,
    ) -> Self {
        let handler = on(MethodFilter::POST, handler);
        Self { spec: EndpointSpec::new(Method::POST, path, access, operation), handler }
    }

    /// Makes an endpoint that answers DELETE.
    pub fn delete<H: Handler<T, S>, T: 'static>(
        path: &'static str,
        access: Access,
        handler: H,
        operation: Operation,
    ) -> Self {
        let handler = on(MethodFilter::DELETE, handler);
        Self { spec: EndpointSpec::new(Method::DELETE, path, access, operation), handler }
    }

    /// Makes an endpoint that answers POST under the path of every registered event, each of which has its own operation.
    pub(crate) fn post_per_event<H: Handler<T, S>, T: 'static>(
        path: &'static str,
        access: Access,
        handler: H,
        operation: fn(&EventDescriptor) -> Operation,
    ) -> Self {
        let operation = Operations::PerEvent(operation);
        Self {
            spec: EndpointSpec { method: Method::POST, path, access, operation },
            handler: on(MethodFilter::POST, handler),
        }
    }
}

impl EndpointSpec {
    fn new(method: Method, path: &'static str, access: Access, operation: Operation) -> Self {
        Self { method, path, access, operation: Operations::One(Box::new(operation)) }
    }

    /// The operations of the endpoint, with the paths that the OpenAPI document has for them.
    pub(crate) fn operations(&self, registry: &Registry) -> Vec<(String, Operation)> {
        match &self.operation {
            Operations::One(operation) => vec![(self.path.to_owned(), (**operation).clone())],
            Operations::PerEvent(operation) => {
                registry.events().iter().map(|event| (schemas::event_path(event), operation(event))).collect()
            }
        }
    }
}
