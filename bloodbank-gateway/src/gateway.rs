//! The state that all endpoints share.

use std::{fmt, sync::Arc};

use bloodbank_core::{Bus, app::Health};
use chrono::Utc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "mcp")]
use crate::auth::Patterns;
use crate::{
    auth::{Session, Tokens},
    commands::{CommandTracker, WatchCommands},
    endpoint::{Endpoint, EndpointSpec},
    idempotency::Answers,
    limits::Limits,
    replays::Replays,
    stream::{Hub, ReplayBuffer},
};

/// A gateway: the state that its endpoints share. Cheap to clone; all clones share it.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

/// Asks for the health of the workers of this process.
pub(crate) type WorkersProbe = Box<dyn Fn() -> Health + Send + Sync>;

/// The configuration of a gateway, which its builder fills in.
pub(crate) struct GatewayConfig {
    pub(crate) bus: Bus,
    pub(crate) tokens: Tokens,
    pub(crate) limits: Limits,
    pub(crate) origins: Vec<String>,
    pub(crate) public_url: Option<String>,
    pub(crate) allow_unregistered: bool,
    pub(crate) workers: Option<WorkersProbe>,
    /// The endpoints that a program adds to the table.
    pub(crate) endpoints: Vec<Endpoint<Gateway>>,
    #[cfg(feature = "mcp")]
    pub(crate) agent_patterns: Patterns,
}

struct Inner {
    config: GatewayConfig,
    specs: Vec<EndpointSpec>,
    permits: Arc<Semaphore>,
    stream_permits: Arc<Semaphore>,
    hub: Hub,
    commands: Arc<CommandTracker>,
    answers: Answers,
    replays: Replays,
    closing: CancellationToken,
}

impl Gateway {
    /// Makes a gateway whose endpoints have these specifications.
    pub(crate) fn new(config: GatewayConfig, specs: Vec<EndpointSpec>) -> Self {
        let limits = &config.limits;
        let replay = ReplayBuffer::new(limits.recent_events, limits.recent_bytes);
        Self(Arc::new(Inner {
            hub: Hub::new(&config.bus, ["#".to_owned()], replay, limits.stream_linger),
            commands: Arc::new(CommandTracker::new(&config.bus)),
            replays: Replays::default(),
            permits: permits(limits.concurrency),
            stream_permits: permits(limits.streams),
            answers: Answers::default(),
            closing: CancellationToken::new(),
            specs,
            config,
        }))
    }

    /// The bus.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.0.config.bus
    }

    /// The limits of requests, streams and connections.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.config.limits
    }

    /// A layer for the app that executes commands in this process, so that `GET /commands/{event_id}` knows which are
    /// running.
    #[must_use]
    pub fn watch_commands(&self) -> WatchCommands {
        WatchCommands(Arc::clone(&self.0.commands))
    }

    /// Ends every stream. Requests that are being handled are still answered.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    /// The value of a cookie for whoever knows the secret of a token; `None` for a wrong one. The cookie is good for 12 hours, at
    /// every gateway with the same tokens, and does not show the secret.
    #[must_use]
    pub fn sign_in(&self, secret: &str) -> Option<String> {
        self.tokens().sign_in(secret, Utc::now())
    }

    /// The session of whoever shows a cookie that [`sign_in`](Self::sign_in) made; `None` where they must sign in. Everybody has a
    /// session at a gateway without tokens.
    #[must_use]
    pub fn session(&self, cookie: Option<&str>) -> Option<Session> {
        self.tokens().session(cookie, Utc::now())
    }

    /// Whether people must sign in: whether the gateway has tokens.
    #[must_use]
    pub fn needs_sign_in(&self) -> bool {
        !self.tokens().is_empty()
    }

    /// The health of the bus and of the workers of this process.
    #[must_use]
    pub fn health(&self) -> Health {
        let bus = self.bus().health();
        match self.workers() {
            Some(workers) => bus.and(workers),
            None => bus,
        }
    }

    /// The tokens, which [`Tokens::replace`] replaces while the gateway serves.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.0.config.tokens
    }

    pub(crate) fn origins(&self) -> &[String] {
        &self.0.config.origins
    }

    pub(crate) fn public_url(&self) -> Option<&str> {
        self.0.config.public_url.as_deref()
    }

    pub(crate) fn allows_unregistered(&self) -> bool {
        self.0.config.allow_unregistered
    }

    pub(crate) fn workers(&self) -> Option<Health> {
        self.0.config.workers.as_ref().map(|health| health())
    }

    /// The endpoints that the program adds to the table.
    pub(crate) fn added_endpoints(&self) -> &[Endpoint<Self>] {
        &self.0.config.endpoints
    }

    /// The specifications of all endpoints, for the OpenAPI document.
    pub(crate) fn specs(&self) -> &[EndpointSpec] {
        &self.0.specs
    }

    #[cfg(feature = "mcp")]
    pub(crate) fn agent_patterns(&self) -> &Patterns {
        &self.0.config.agent_patterns
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

    pub(crate) fn commands(&self) -> &CommandTracker {
        &self.0.commands
    }

    /// The answers to requests with an `Idempotency-Key`.
    pub(crate) fn answers(&self) -> &Answers {
        &self.0.answers
    }

    /// The replays that this gateway runs.
    #[must_use]
    pub fn replays(&self) -> &Replays {
        &self.0.replays
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("bus", self.bus()).field("tokens", self.tokens()).finish_non_exhaustive()
    }
}

fn permits(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)))
}
