//! What the endpoints work with, and the router.

use std::sync::Arc;

use axum::{
    Router,
    http::{Method, StatusCode},
    routing::{get, post},
};
use bloodbank_core::Bus;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::cors::{AllowHeaders, CorsLayer};

#[cfg(feature = "mcp")]
use crate::auth::Patterns;
#[cfg(feature = "mcp")]
use crate::mcp;
use crate::{
    auth::Tokens,
    commands::{self, Commands, WatchCommands},
    correlation,
    dead_letters::{self, Sweep},
    door::Door,
    health,
    limits::Limits,
    metrics, pages,
    problem::Problem,
    publish::{self, Sources},
    registry,
    stream::{self, Hub, Recent},
};

/// What the endpoints work with. Cheap to clone; all clones share it.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

type Probe = Box<dyn Fn() -> bool + Send + Sync>;

struct Inner {
    bus: Bus,
    tokens: Tokens,
    limits: Limits,
    origins: Vec<String>,
    public_url: Option<String>,
    allow_unregistered: bool,
    workers: Option<Probe>,
    permits: Arc<Semaphore>,
    stream_permits: Arc<Semaphore>,
    hub: Hub,
    commands: Commands,
    sources: Sources,
    open: OpenRoutes,
    #[cfg(feature = "mcp")]
    agent_patterns: Patterns,
    closing: CancellationToken,
}

impl Gateway {
    /// A gateway to this bus, for whoever can reach it.
    pub fn builder(bus: Bus) -> GatewayBuilder {
        GatewayBuilder {
            bus,
            tokens: Tokens::default(),
            limits: Limits::default(),
            origins: Vec::new(),
            public_url: None,
            allow_unregistered: false,
            workers: None,
            open: OpenRoutes::default(),
            #[cfg(feature = "mcp")]
            agent_patterns: Patterns::everything(),
        }
    }

    /// The bus.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// A layer for the app that executes commands in this process, so that `GET /commands/{event_id}` knows which are
    /// running.
    #[must_use]
    pub fn watch_commands(&self) -> WatchCommands {
        WatchCommands(self.clone())
    }

    /// Ends every stream; requests that are being answered are answered.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }

    /// How much a request may ask for.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn origins(&self) -> &[String] {
        &self.0.origins
    }

    pub(crate) fn public_url(&self) -> Option<&str> {
        self.0.public_url.as_deref()
    }

    pub(crate) fn allows_unregistered(&self) -> bool {
        self.0.allow_unregistered
    }

    pub(crate) fn workers(&self) -> Option<&Probe> {
        self.0.workers.as_ref()
    }

    pub(crate) fn permits(&self) -> &Arc<Semaphore> {
        &self.0.permits
    }

    pub(crate) fn stream_permits(&self) -> &Arc<Semaphore> {
        &self.0.stream_permits
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.0.hub
    }

    pub(crate) fn commands(&self) -> &Commands {
        &self.0.commands
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.0.sources
    }

    pub(crate) fn open(&self) -> &OpenRoutes {
        &self.0.open
    }

    #[cfg(feature = "mcp")]
    pub(crate) fn agent_patterns(&self) -> &Patterns {
        &self.0.agent_patterns
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("bus", &self.0.bus).field("tokens", &self.0.tokens).finish_non_exhaustive()
    }
}

/// Routes of somebody else that a gateway serves, and how they stand in its OpenAPI document.
#[derive(Debug, Clone, Default)]
pub struct OpenRoutes {
    /// The routes.
    pub router: Router<Gateway>,
    /// Path items of OpenAPI, by path.
    pub paths: Map<String, Value>,
}

/// Says what a [`Gateway`] is like.
#[must_use = "a gateway is made by `build`"]
pub struct GatewayBuilder {
    bus: Bus,
    tokens: Tokens,
    limits: Limits,
    origins: Vec<String>,
    public_url: Option<String>,
    allow_unregistered: bool,
    workers: Option<Probe>,
    open: OpenRoutes,
    #[cfg(feature = "mcp")]
    agent_patterns: Patterns,
}

impl GatewayBuilder {
    /// Who may do what. Without tokens everybody may do everything, and the gateway serves on loopback only.
    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = tokens;
        self
    }

    /// How much a request may ask for.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The pages of this origin (`https://app.example`) may use the gateway from a browser (CORS); default: none may.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.origins.push(origin.into());
        self
    }

    /// Where clients find the gateway behind a proxy that takes a part of the path away: `https://example.org/bus`, or
    /// `/bus`. Default: where the router is nested in an application.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_url = Some(url.into().trim_end_matches('/').to_owned());
        self
    }

    /// Whether `POST /events/custom` and `/events/batch` take events that are not registered; default: no.
    pub fn allow_unregistered(mut self, allow: bool) -> Self {
        self.allow_unregistered = allow;
        self
    }

    /// Whether the workers of this process are alive, for `/readyz`; default: there are none.
    pub fn workers(mut self, alive: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.workers = Some(Box::new(alive));
        self
    }

    /// Routes that no token guards, because they know by themselves who may: webhooks, which are signed.
    pub fn open_routes(mut self, routes: OpenRoutes) -> Self {
        self.open = routes;
        self
    }

    /// The keys that agents may publish over MCP, of those that their token allows; default: every key.
    #[cfg(feature = "mcp")]
    pub fn agents_may_publish(mut self, patterns: Patterns) -> Self {
        self.agent_patterns = patterns;
        self
    }

    /// The gateway. Counts for `/metrics` from now on, unless the program has a recorder of its own.
    #[must_use]
    pub fn build(self) -> Gateway {
        metrics::install();
        let Self { bus, tokens, limits, origins, public_url, allow_unregistered, workers, .. } = self;
        Gateway(Arc::new(Inner {
            hub: Hub::new(&bus, ["#".to_owned()], Recent::new(limits.recent_events, limits.recent_bytes)),
            commands: Commands::new(&bus),
            sources: Sources::new(&bus, &tokens),
            open: self.open,
            #[cfg(feature = "mcp")]
            agent_patterns: self.agent_patterns,
            bus,
            tokens,
            permits: permits(limits.concurrency),
            stream_permits: permits(limits.streams),
            limits,
            origins,
            public_url,
            allow_unregistered,
            workers,
            closing: CancellationToken::new(),
        }))
    }
}

fn permits(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)))
}

/// The endpoints of a gateway. Nested in an application, they say so where they name a place: the `Location` of a command,
/// the server in the OpenAPI document.
pub fn router(gateway: Gateway) -> Router {
    routes(gateway, false)
}

/// The endpoints; `is_local`: only this machine can reach them, and needs no token.
pub(crate) fn routes(gateway: Gateway, is_local: bool) -> Router {
    let open = Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .merge(gateway.open().router.clone())
        .fallback(|| async { Problem::not_found("no such path; `openapi.json` lists them") })
        .method_not_allowed_fallback(wrong_method)
        .layer(Door::open(&gateway, is_local));
    let guarded = Router::new()
        .route("/events/custom", post(publish::custom))
        .route("/events/batch", post(publish::batch))
        .route("/events/stream", get(stream::stream))
        .route("/commands/{id}", get(commands::command))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(pages::openapi_json))
        .route("/docs", get(pages::docs))
        .route("/asyncapi.json", get(pages::asyncapi_json))
        .route("/asyncapi", get(pages::asyncapi))
        .route(publish::ROUTE, post(publish::event))
        .route("/dead-letters/{queue}", get(dead_letters::list))
        .route("/dead-letters/{queue}/redrive", dead_letters::sweep(Sweep::Redrive))
        .route("/dead-letters/{queue}/discard", dead_letters::sweep(Sweep::Discard))
        .route("/registry/domains", get(registry::domains))
        .route("/registry/events", get(registry::events))
        .route("/registry/events/{key}", get(registry::event))
        .route("/schemas/{file}", get(registry::schema))
        .route("/debug/correlation/{id}", get(correlation::dump))
        .route("/debug/correlation/{id}/dump", get(correlation::dump))
        .route("/debug/correlation/{id}/chain", get(correlation::chain))
        .route("/debug/correlation/{id}/graph", get(correlation::graph));
    #[cfg(feature = "mcp")]
    let guarded = guarded.merge(
        Router::new().route_service("/mcp", mcp::http(&gateway)).layer(axum::middleware::map_response(mcp::as_problem)),
    );
    let guarded = guarded.method_not_allowed_fallback(wrong_method).layer(Door::guarded(&gateway, is_local));
    let mut router = open.merge(guarded);
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

async fn wrong_method() -> Problem {
    let detail = "this path has other methods; `openapi.json` lists them";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Wrong method", detail)
}
