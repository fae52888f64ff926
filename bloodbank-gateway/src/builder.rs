//! The builder of a gateway.

use bloodbank_core::{Bus, app::Health};

#[cfg(feature = "mcp")]
use crate::auth::Patterns;
use crate::{
    auth::Tokens,
    endpoint::Endpoint,
    endpoints,
    gateway::{Gateway, GatewayConfig},
    limits::Limits,
};

/// A builder of a [`Gateway`].
#[must_use = "a gateway is made by `build`"]
pub struct GatewayBuilder(GatewayConfig);

impl Gateway {
    /// Begins to build a gateway to this bus.
    pub fn builder(bus: Bus) -> GatewayBuilder {
        GatewayBuilder(GatewayConfig {
            bus,
            tokens: Tokens::default(),
            limits: Limits::default(),
            origins: Vec::new(),
            public_url: None,
            allow_unregistered: false,
            workers: None,
            endpoints: Vec::new(),
            #[cfg(feature = "mcp")]
            agent_patterns: Patterns::everything(),
        })
    }
}

impl GatewayBuilder {
    /// Sets who may do what. Without tokens everybody may do everything, and the gateway serves on loopback only.
    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.0.tokens = tokens;
        self
    }

    /// Sets how much a request may ask for.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.0.limits = limits;
        self
    }

    /// Allows the pages of an origin (`https://app.example`) to use the gateway from a browser (CORS). Default: no pages.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.0.origins.push(origin.into());
        self
    }

    /// Sets the address at which clients find the gateway behind a proxy that takes a part of the path away:
    /// `https://example.org/bus`, or `/bus`. Default: the path at which the router is nested in an application.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.0.public_url = Some(url.into().trim_end_matches('/').to_owned());
        self
    }

    /// Sets whether `POST /events/custom` and `/events/batch` accept events that are not registered. Default: no.
    pub fn allow_unregistered(mut self, allow: bool) -> Self {
        self.0.allow_unregistered = allow;
        self
    }

    /// Sets where the health of this process's workers is asked for, for `/healthz` and `/readyz`; default: the process
    /// has no workers.
    ///
    /// ```
    /// # async fn example(app: bloodbank_core::RunningApp) -> bloodbank_core::Result<()> {
    /// let probe = app.probe();
    /// let gateway = bloodbank_gateway::Gateway::builder(app.bus().clone()).workers(move || probe.health()).build();
    /// # Ok(()) }
    /// ```
    pub fn workers(mut self, health: impl Fn() -> Health + Send + Sync + 'static) -> Self {
        self.0.workers = Some(Box::new(health));
        self
    }

    /// Adds endpoints, such as the webhooks of `bloodbank-webhooks`. A [page](Endpoint::page) at the path of one of the gateway's
    /// own pages, such as `/docs`, takes its place.
    ///
    /// [`router()`](crate::router()) panics where two endpoints have the same method and path.
    pub fn endpoints(mut self, endpoints: impl IntoIterator<Item = Endpoint<Gateway>>) -> Self {
        self.0.endpoints.extend(endpoints);
        self
    }

    /// Restricts the keys that agents may publish over MCP, beside what their tokens allow. Default: every key.
    #[cfg(feature = "mcp")]
    pub fn agents_may_publish(mut self, patterns: Patterns) -> Self {
        self.0.agent_patterns = patterns;
        self
    }

    /// Builds the gateway. From now on it records metrics for `/metrics`, unless the program has a recorder of its own.
    #[must_use]
    pub fn build(self) -> Gateway {
        bloodbank_probes::install_recorder();
        let Self(config) = self;
        let specs = endpoints::with_added(&config.endpoints).into_iter().map(|endpoint| endpoint.spec).collect();
        Gateway::new(config, specs)
    }
}
