//! A gateway over HTTP.

mod address;
mod dead_letters;
mod events;
mod http;
mod journal;
mod mcp;
mod publish;
mod queues;
mod replay;

use std::time::Duration;

use bloodbank_core::{Settings, settings::Reader};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::DATE;

pub(crate) use self::journal::GatewayJournal;
pub use self::{
    address::{GatewayAddress, GatewayFile, default_bus_file},
    events::GatewayEvent,
    mcp::McpSession,
};
use crate::error::{ClientError, Result};

/// A client of a gateway that has answered.
#[derive(Debug, Clone)]
pub struct GatewayClient {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// A gateway on this machine answers its health check within this time.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

impl GatewayClient {
    /// The gateway that has the bus of these settings open; `None` when none runs. The token comes from
    /// `BLOODBANK_TOKEN`.
    ///
    /// # Errors
    /// When the HTTP client cannot be created.
    pub async fn find(settings: &Settings) -> Result<Option<Self>> {
        let Some(address) = GatewayAddress::find(settings) else { return Ok(None) };
        let client = Self::new(address.url)?;
        Ok(client.is_healthy().await.then_some(client))
    }

    /// The gateway that has the bus of these settings open, otherwise the one at `HTTP_HOST` and `HTTP_PORT`.
    ///
    /// # Errors
    /// [`ClientError::NoGateway`] when none answers.
    pub async fn require(settings: &Settings) -> Result<Self> {
        let url = match GatewayAddress::find(settings) {
            Some(address) => address.url,
            None => format!("http://{}", host_and_port(&settings.http_host, settings.http_port)),
        };
        let client = Self::new(url)?;
        if client.is_healthy().await { Ok(client) } else { Err(ClientError::NoGateway { url: client.url }) }
    }

    fn new(url: String) -> Result<Self> {
        // Fails where the program has chosen a provider already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Nothing on this machine is reached through a proxy.
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(|error| ClientError::GatewayUnreachable { url: url.clone(), reason: error.to_string() })?;
        let token = Reader::load()?.get("BLOODBANK_TOKEN", |token| Ok(token.to_owned()));
        Ok(Self { http, url, token })
    }

    async fn is_healthy(&self) -> bool {
        let answer = self.http.get(format!("{}/healthz", self.url)).timeout(HEALTH_TIMEOUT).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// The address of the gateway.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The time on the clock of the gateway, to the second; `None`: its answer has none.
    ///
    /// # Errors
    /// When the gateway does not answer.
    pub async fn time(&self) -> Result<Option<DateTime<Utc>>> {
        let response = self.send(self.http.get(format!("{}/healthz", self.url))).await?;
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let time = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        // The header has no fractions: on average the clock is half a second further.
        Ok(time.map(|time| time.to_utc() + TimeDelta::milliseconds(500)))
    }

    /// Everything around an event, of which the first digits of its id are enough, at most so many events, as the gateway draws it: `text`, `mermaid`, `dot` or `json`.
    ///
    /// # Errors
    /// When the gateway does not know the event, refuses the token, or does not answer.
    pub async fn trace(&self, id: &str, format: &str, limit: usize) -> Result<String> {
        let request = self.http.get(self.url_of(&["debug", "correlation", id, "graph"])?);
        let response = self.send(request.query(&[("format", format), ("limit", &limit.to_string())])).await?;
        response.text().await.map_err(|error| self.unreachable(&error))
    }
}

fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
