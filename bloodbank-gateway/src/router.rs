//! The router, made from the table of endpoints.

use axum::{
    Router,
    handler::Handler,
    http::{Method, StatusCode, Uri},
};
use tower_http::cors::{AllowHeaders, CorsLayer};

use crate::{
    auth::Access, endpoints, gateway::Gateway, guard::Guard, openapi::query_names, params::BaseUrl, problem::Problem,
};

/// The longest path that an answer repeats.
const LONGEST_PATH: usize = 200;

/// The endpoints of a gateway as an `axum::Router`.
///
/// Nested in an application, the endpoints take its path into account where they name an address: in the `Location` of a
/// command, and as the server of the OpenAPI document.
///
/// # Panics
/// When two endpoints have the same method and path.
pub fn router(gateway: Gateway) -> Router {
    local_router(gateway, false)
}

/// The router of a gateway; `is_local`: only this machine can reach it, and needs no token.
pub(crate) fn local_router(gateway: Gateway, is_local: bool) -> Router {
    let guard = |access, query| Guard::new(&gateway, access, query, is_local);
    let mut router = Router::new();
    for endpoint in endpoints::with_added(gateway.added_endpoints()) {
        let query = endpoint.spec.is_for_programs().then(|| query_names(&endpoint.spec));
        router = router.route(endpoint.spec.path, endpoint.handler.layer(guard(endpoint.spec.access, query)));
    }
    router = router
        .method_not_allowed_fallback(method_not_allowed.layer(guard(Access::Public, None)))
        .fallback(not_found.layer(guard(Access::Public, None)));
    let origins: Vec<_> = gateway.origins().iter().filter_map(|origin| origin.parse().ok()).collect();
    if !origins.is_empty() {
        router = router.layer(
            CorsLayer::new()
                .allow_origin(origins)
                .allow_methods([Method::GET, Method::POST])
                .allow_headers(AllowHeaders::mirror_request()),
        );
    }
    router.with_state(gateway)
}

async fn not_found(BaseUrl(base): BaseUrl, method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(LONGEST_PATH).collect();
    Problem::not_found(format!(
        "there is no endpoint `{method} {base}{path}`; `GET {base}/openapi.json` lists all endpoints, and `{base}/docs` shows them as a page"
    ))
}

async fn method_not_allowed(BaseUrl(base): BaseUrl, method: Method, uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(LONGEST_PATH).collect();
    let detail =
        format!("`{base}{path}` does not answer {method}; `GET {base}/openapi.json` lists the methods of every path");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed", detail)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::{
        body::Body,
        http::{Request, header},
    };
    use bloodbank_core::{Bus, Registry};
    use tower::ServiceExt;

    use super::*;
    use crate::{auth::Tokens, endpoint::Endpoint, openapi::openapi_document};

    const TOKENS: &str = r##"token = [
        { name = "nothing", secret = "may-do-nothing-at-all" },
        { name = "reader", secret = "may-read-every-event", read = ["#"] },
        { name = "all", secret = "may-do-everything-here", read = ["#"], publish = ["#"] },
    ]"##;

    const UNKNOWN_ID: &str = "6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11";

    /// The paths of a router, which only its `Debug` output tells.
    fn paths_of(router: &Router) -> BTreeSet<String> {
        let text = format!("{router:?}");
        let routes = text.split("fallback_router").next().expect("text before it");
        let paths = routes.split("RouteId(").filter_map(|part| part.split_once("): \"")?.1.split('"').next());
        paths.map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn every_route_has_its_row_in_the_table() {
        let router = router(Gateway::builder(Bus::embedded()).build());
        let table: BTreeSet<_> = endpoints::table().iter().map(|endpoint| endpoint.spec.path.to_owned()).collect();
        assert_eq!(paths_of(&router), table);
        // The paths of another route would be seen.
        let other = router.route("/other", axum::routing::get(|| async {}));
        assert!(paths_of(&other).contains("/other"));
    }

    #[tokio::test]
    async fn a_page_of_the_program_takes_the_place_of_the_own_one() {
        let page = Endpoint::page(Method::GET, "/docs", || async { "a page of the program" });
        let gateway = Gateway::builder(Bus::embedded()).endpoints([page]).build();
        assert!(openapi_document(&gateway)["paths"]["/docs"].is_null());
        let request = Request::builder().uri("/docs").body(Body::empty()).expect("a request");
        let answer = router(gateway).oneshot(request).await.expect("an answer");
        let body = axum::body::to_bytes(answer.into_body(), 1000).await.expect("a body");
        assert_eq!(body, "a page of the program");
    }

    #[tokio::test]
    async fn every_row_of_the_table_is_in_the_document_once() {
        let document = openapi_document(&Gateway::builder(Bus::embedded()).build());
        let mut expected = BTreeSet::new();
        for endpoint in endpoints::table() {
            let method = endpoint.spec.method.as_str().to_ascii_lowercase();
            for (path, _) in endpoint.spec.operations(Registry::global()) {
                assert!(expected.insert((path.clone(), method.clone())), "{method} {path} is there twice");
            }
        }
        let mut ids = BTreeSet::new();
        let mut found = BTreeSet::new();
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                found.insert((path.clone(), method.clone()));
                assert!(ids.insert(operation["operationId"].to_string()), "{operation}");
                assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{method} {path}");
            }
        }
        assert_eq!(found, expected);
    }

    #[tokio::test]
    async fn every_endpoint_asks_for_the_access_in_the_table() {
        let tokens = Tokens::from_toml(TOKENS).expect("tokens");
        let router = router(Gateway::builder(Bus::embedded()).tokens(tokens).build());
        let secrets =
            [None, Some("may-do-nothing-at-all"), Some("may-read-every-event"), Some("may-do-everything-here")];
        for endpoint in endpoints::table() {
            // As many of the callers are refused, the ones with the fewest rights first.
            let (unauthorised, forbidden) = match endpoint.spec.access {
                Access::Probe | Access::Public => (0, 0),
                Access::Token => (1, 0),
                Access::ReadAll => (1, 1),
                Access::ReadAndPublishAll => (1, 2),
            };
            let key = if endpoint.spec.method == Method::GET { UNKNOWN_ID } else { "no/event" };
            let path = endpoint.spec.path.replace("{*key}", key).replace(['{', '}'], "");
            for (number, secret) in secrets.into_iter().enumerate() {
                // A stream is refused to a caller who may read none of its events.
                if endpoint.spec.path == "/events/stream" && number == 1 {
                    continue;
                }
                let mut request = Request::builder().method(endpoint.spec.method.clone()).uri(&path);
                if let Some(secret) = secret {
                    request = request.header(header::AUTHORIZATION, format!("Bearer {secret}"));
                }
                let request = request.body(Body::empty()).expect("a request");
                let status = router.clone().oneshot(request).await.expect("an answer").status();
                let (method, access) = (&endpoint.spec.method, endpoint.spec.access);
                let said = format!("{method} {path} ({access:?}) answers {status} to {secret:?}");
                assert_eq!(status == StatusCode::UNAUTHORIZED, number < unauthorised, "{said}");
                let is_forbidden = (unauthorised..unauthorised + forbidden).contains(&number);
                assert_eq!(status == StatusCode::FORBIDDEN, is_forbidden, "{said}");
                assert_ne!(status, StatusCode::METHOD_NOT_ALLOWED, "{said}");
            }
        }
    }
}
