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
    /// A page for people, which the document for programs leaves out.
    Page,
    One(Box<Operation>),
    /// Another path in the document than that of the route.
    ShownAt(&'static str, Box<Operation>),
    /// A wildcard path that stands for the path of every registered event.
    PerEvent(fn(&EventDescriptor) -> Operation),
}

impl<S: Clone + Send + Sync + 'static> Endpoint<S> {
    /// The method of the endpoint.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.spec.method
    }

    /// The path of the endpoint, with its parameters in braces.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.spec.path
    }

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

    /// Makes a page for people, which the OpenAPI document leaves out. The gateway asks nobody for a token there: the handler
    /// itself asks for the [session](crate::Gateway::session), and sends whoever has none to a page to sign in.
    ///
    /// # Panics
    /// When the method is not one of those that axum routes.
    pub fn page<H: Handler<T, S>, T: 'static>(method: Method, path: &'static str, handler: H) -> Self {
        let filter = MethodFilter::try_from(method.clone()).expect("a method that axum routes");
        let spec = EndpointSpec { method, path, access: Access::Public, operation: Operations::Page };
        Self { spec, handler: on(filter, handler) }
    }

    /// Makes an endpoint that answers GET on a wildcard path, of which it knows only a part, which is described as `shown`.
    pub(crate) fn get_shown_at<H: Handler<T, S>, T: 'static>(
        path: &'static str,
        shown: &'static str,
        access: Access,
        handler: H,
        operation: Operation,
    ) -> Self {
        let operation = Operations::ShownAt(shown, Box::new(operation));
        Self {
            spec: EndpointSpec { method: Method::GET, path, access, operation },
            handler: on(MethodFilter::GET, handler),
        }
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

    /// Whether the endpoint is in the document for programs; `false`: it is a page for people.
    pub(crate) fn is_for_programs(&self) -> bool {
        !matches!(self.operation, Operations::Page)
    }

    /// The operations of the endpoint, with the paths that the OpenAPI document has for them.
    pub(crate) fn operations(&self, registry: &Registry) -> Vec<(String, Operation)> {
        match &self.operation {
            Operations::Page => Vec::new(),
            Operations::One(operation) => vec![(self.path.to_owned(), (**operation).clone())],
            Operations::ShownAt(path, operation) => vec![((*path).to_owned(), (**operation).clone())],
            Operations::PerEvent(operation) => {
                registry.events().iter().map(|event| (schemas::event_path(event), operation(event))).collect()
            }
        }
    }
}
