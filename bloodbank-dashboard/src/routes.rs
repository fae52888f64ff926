//! The table of pages and actions: from it come the routes, and who may do what.

use std::{pin::Pin, sync::Arc};

use axum::{
    extract::Request,
    handler::Handler,
    http::{HeaderValue, Method, header},
    response::{IntoResponse, Redirect, Response},
};
use bloodbank_gateway::{Access, Endpoint, Gateway};
use futures_util::future::BoxFuture;

use crate::{
    dashboard::Dashboard,
    html,
    pages::{
        asyncapi, commands, dead_letters, docs, edit, event, events, files, flow, history, letter, live, outbox,
        overview, publish, queue_letters, replay, sign_in, sweep, trace,
    },
    refusal::Refusal,
    visit::{Visit, encoded},
};

/// Nothing but what this gateway serves, and no script within a page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

type Answer = Result<Response, Refusal>;
type Run = Arc<dyn Fn(Visit) -> BoxFuture<'static, Answer> + Send + Sync>;

/// A page or an action.
#[derive(Clone)]
struct Route {
    method: Method,
    path: &'static str,
    access: Access,
    run: Run,
}

impl Route {
    fn new<F, Fut>(method: Method, path: &'static str, access: Access, run: F) -> Self
    where
        F: Fn(Visit) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Answer> + Send + 'static,
    {
        Self { method, path, access, run: Arc::new(move |visit| Box::pin(run(visit))) }
    }

    fn get<F, Fut>(path: &'static str, access: Access, run: F) -> Self
    where
        F: Fn(Visit) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Answer> + Send + 'static,
    {
        Self::new(Method::GET, path, access, run)
    }

    fn post<F, Fut>(path: &'static str, access: Access, run: F) -> Self
    where
        F: Fn(Visit) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Answer> + Send + 'static,
    {
        Self::new(Method::POST, path, access, run)
    }
}

/// Every page and every action, and the access that it asks for.
fn table() -> Vec<Route> {
    use Access::{Public, ReadAll, ReadAndPublishAll, Token};
    vec![
        Route::get("/", Token, overview::page),
        Route::get("/dashboard", Token, overview::page),
        Route::get("/dashboard/events", Token, events::page),
        Route::get("/dashboard/events/{key}", Token, event::page),
        Route::get("/dashboard/events/{key}/publish", Token, publish::page),
        Route::post("/dashboard/events/{key}/publish", Token, publish::act),
        Route::get("/dashboard/live", Token, live::page),
        Route::get("/dashboard/live/events", Token, live::events),
        Route::get("/dashboard/trace", ReadAll, trace::search),
        Route::get("/dashboard/trace/{id}", ReadAll, trace::page),
        Route::get("/dashboard/trace/{id}/mermaid", ReadAll, trace::mermaid),
        Route::get("/dashboard/trace/{id}/json", ReadAll, trace::json),
        Route::get("/dashboard/dead-letters", ReadAll, dead_letters::page),
        Route::get("/dashboard/dead-letters/{queue}", ReadAll, queue_letters::page),
        Route::post("/dashboard/dead-letters/{queue}/redrive", ReadAndPublishAll, sweep::redrive),
        Route::post("/dashboard/dead-letters/{queue}/discard", ReadAndPublishAll, sweep::discard),
        Route::get("/dashboard/dead-letters/{queue}/letters/{handle}", ReadAll, letter::page),
        Route::get("/dashboard/dead-letters/{queue}/letters/{handle}/edit", ReadAndPublishAll, edit::page),
        Route::post("/dashboard/dead-letters/{queue}/letters/{handle}/edit", ReadAndPublishAll, edit::redrive),
        Route::get("/dashboard/sweeps/{id}", ReadAll, sweep::page),
        Route::get("/dashboard/flow", ReadAll, flow::page),
        Route::get("/dashboard/flow/mermaid", ReadAll, flow::mermaid),
        Route::get("/dashboard/commands", Token, commands::page),
        Route::get("/dashboard/history", ReadAll, history::page),
        Route::get("/dashboard/replays/new", ReadAndPublishAll, replay::ask),
        Route::post("/dashboard/replays", ReadAndPublishAll, replay::start),
        Route::get("/dashboard/replays/{id}", ReadAll, replay::page),
        Route::post("/dashboard/replays/{id}/cancel", ReadAndPublishAll, replay::cancel),
        Route::post("/dashboard/replays/{id}/resume", ReadAndPublishAll, replay::resume),
        Route::get("/dashboard/outbox", ReadAll, outbox::page),
        Route::get("/docs", Token, docs::page),
        Route::get("/asyncapi", Token, asyncapi::page),
        Route::get("/dashboard/openapi.json", Token, docs::openapi),
        Route::get("/dashboard/asyncapi.json", Token, asyncapi::document),
        Route::get("/dashboard/sign-in", Public, sign_in::page),
        Route::post("/dashboard/sign-in", Public, sign_in::enter),
        Route::post("/dashboard/sign-out", Token, sign_in::leave),
        Route::get("/dashboard/assets/{name}", Public, files::asset),
    ]
}

/// The pages of the dashboard, for [`GatewayBuilder::endpoints`](bloodbank_gateway::GatewayBuilder::endpoints). The first one is
/// at `/`.
#[must_use]
pub fn endpoints() -> Vec<Endpoint<Gateway>> {
    let dashboard = Arc::new(Dashboard::default());
    let endpoint = |route: Route| {
        let (method, path) = (route.method.clone(), route.path);
        Endpoint::page(method, path, Page { dashboard: Arc::clone(&dashboard), route })
    };
    table().into_iter().map(endpoint).collect()
}

/// The handler of a route.
#[derive(Clone)]
struct Page {
    dashboard: Arc<Dashboard>,
    route: Route,
}

impl Handler<(), Gateway> for Page {
    type Future = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn call(self, request: Request, gateway: Gateway) -> Self::Future {
        let Self { dashboard, route } = self;
        Box::pin(async move {
            let answer = match Visit::read(dashboard, gateway, request).await {
                Ok(visit) => answer(route, visit).await,
                Err(refusal) => html::bare_refusal(&refusal),
            };
            secured(answer)
        })
    }
}

async fn answer(route: Route, visit: Visit) -> Response {
    let shell = html::Shell::of(&visit);
    match admit(&route, &visit) {
        Admission::Granted => match (route.run)(visit).await {
            Ok(response) => response,
            Err(refusal) => html::refusal(&shell, &refusal),
        },
        Admission::MustSignIn => {
            let next = if visit.method == Method::GET { visit.path.as_str() } else { "/dashboard" };
            let next = visit.link(next);
            Redirect::to(&visit.link(&format!("/dashboard/sign-in?next={}", encoded(&next)))).into_response()
        }
        Admission::Refused(refusal) => html::refusal(&shell, &refusal),
    }
}

enum Admission {
    Granted,
    MustSignIn,
    Refused(Refusal),
}

fn admit(route: &Route, visit: &Visit) -> Admission {
    if route.access == Access::Public {
        return Admission::Granted;
    }
    let Some(caller) = visit.caller() else { return Admission::MustSignIn };
    if let Err(problem) = route.access.check(caller) {
        return Admission::Refused(problem.into());
    }
    if visit.method == Method::POST && !visit.is_own_form() {
        let detail =
            "The form has expired, or was not made by this dashboard. Go back, reload the page, and try again.";
        return Admission::Refused(Refusal::forbidden(detail));
    }
    Admission::Granted
}

/// Adds what every answer has: a browser runs, loads and frames nothing from elsewhere, and keeps no page.
fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    // Not `no-referrer`, with which a browser would not say where a form comes from.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
