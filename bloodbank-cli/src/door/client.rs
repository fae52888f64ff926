//! A gateway over HTTP.

use std::time::Duration;

use bloodbank_core::Settings;
use bloodbank_gateway::{DeadLetterView, SweepReport};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{Stream, StreamExt};
use reqwest::{RequestBuilder, Response, StatusCode, Url, header::DATE};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Draft, Published, Record, Via};
use crate::fault::Fault;

/// A gateway that answered.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

/// So long a gateway on this machine has to say that it is there.
const PATIENCE: Duration = Duration::from_secs(2);

impl Client {
    /// The gateway that is meant, if there is one: [`Via::Http`] insists.
    pub(crate) async fn find(settings: &Settings, via: Via) -> Result<Option<Self>, Fault> {
        if via == Via::Bus {
            return Ok(None);
        }
        let recorded = Record::find(settings).map(|record| record.url.clone());
        let url = match (recorded, via) {
            (Some(url), _) => url,
            (None, Via::Http) => format!("http://{}", host_and_port(&settings.http_host, settings.http_port)),
            (None, Via::Auto | Via::Bus) => return Ok(None),
        };
        let client = Self::new(url)?;
        match client.http.get(format!("{}/healthz", client.url)).timeout(PATIENCE).send().await {
            Ok(response) if response.status().is_success() => Ok(Some(client)),
            // A record that a killed gateway has left.
            _ if via == Via::Auto => Ok(None),
            _ => Err(Fault::failed(format!("no gateway answers at {}; start `serve`, or leave out --via", client.url))),
        }
    }

    fn new(url: String) -> Result<Self, Fault> {
        // Nothing on this machine is reached through a proxy.
        // Fails where the program has chosen one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().map_err(|error| Fault::failed(error.to_string()))?;
        let token = std::env::var("BLOODBANK_TOKEN").ok().filter(|token| !token.is_empty());
        Ok(Self { http, url, token })
    }

    /// Where it is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What time it is there, to the second; `None`: it does not say.
    pub(crate) async fn time(&self) -> Result<Option<DateTime<Utc>>, Fault> {
        let response = self.send(self.http.get(format!("{}/healthz", self.url))).await?;
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        // On average it is half a second later by then.
        let time = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        Ok(time.map(|time| time.to_utc() + TimeDelta::milliseconds(500)))
    }

    pub(super) async fn publish(&self, draft: &Draft<'_>) -> Result<Published, Fault> {
        let mut envelope = json!({
            "event_type": draft.key,
            "payload": draft.payload,
            "source": draft.source,
            "correlation_ids": draft.parents,
        });
        if let Some(event_id) = draft.event_id {
            envelope["event_id"] = json!(event_id);
        }
        if let Some(timestamp) = draft.timestamp {
            envelope["timestamp"] = json!(timestamp);
        }
        let request = self.http.post(format!("{}/events/custom", self.url)).json(&envelope);
        let answer: Value = read(self.send(request).await?).await?;
        let published = answer["event_id"].as_str().and_then(|id| id.parse().ok()).map(|event_id| Published {
            event_id,
            event_type: answer["event_type"].as_str().unwrap_or(draft.key).to_owned(),
            unrouted: answer["unrouted"].as_bool().unwrap_or(false),
        });
        published.ok_or_else(|| self.strange(&answer))
    }

    /// Publishes a command and looks what became of it, until its answer is there.
    pub(super) async fn execute(&self, draft: &Draft<'_>, timeout: Duration) -> Result<Value, Fault> {
        let deadline = Instant::now() + timeout;
        let published = self.publish(draft).await?;
        if published.unrouted {
            return Err(super::nobody_executes(&published.event_type));
        }
        let mut pause = Duration::from_millis(20);
        loop {
            let place = format!("{}/commands/{}", self.url, published.event_id);
            let state: Value = read(self.send(self.http.get(place)).await?).await?;
            match state["status"].as_str() {
                Some("succeeded") => return Ok(state["reply"].clone()),
                Some("failed") => {
                    let failure = &state["failure"];
                    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    return Err(Fault::failed(format!(
                        "{}: {}",
                        text(&failure["event_type"]),
                        text(&failure["payload"]["error_message"])
                    )));
                }
                _ if Instant::now() > deadline => {
                    return Err(Fault::failed(format!(
                        "no answer to `{}` within {timeout:?}; its executor is slow or keeps retrying, and the command may yet be executed",
                        published.event_type
                    )));
                }
                _ => sleep(pause).await,
            }
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Everything around an event, as the gateway draws it.
    pub(crate) async fn trace(&self, id: uuid::Uuid, format: &str) -> Result<String, Fault> {
        let place = format!("{}/debug/correlation/{id}/graph?format={format}", self.url);
        let response = self.send(self.http.get(place)).await?;
        response.text().await.map_err(|error| self.gone(&error))
    }

    /// What a subscriber gave up, as far as the query wants it; `None`: there is no such queue.
    pub(crate) async fn dead_letters(
        &self,
        queue: &str,
        query: &[(&'static str, String)],
        whole: bool,
    ) -> Result<Option<Vec<DeadLetterView>>, Fault> {
        #[derive(Deserialize)]
        struct Letters {
            letters: Vec<DeadLetterView>,
        }
        let request = self.http.get(self.place(&["dead-letters", queue])?).query(query);
        match self.send_unless_missing(request.query(&[("whole", whole)])).await? {
            Some(response) => read::<Letters>(response).await.map(|letters| Some(letters.letters)),
            None => Ok(None),
        }
    }

    /// Does it to what a subscriber gave up.
    pub(crate) async fn sweep(
        &self,
        queue: &str,
        action: &str,
        query: &[(&'static str, String)],
        dry_run: bool,
    ) -> Result<SweepReport, Fault> {
        let request = self.http.post(self.place(&["dead-letters", queue, action])?).query(query);
        read(self.send(request.query(&[("dry_run", dry_run)])).await?).await
    }

    /// The envelopes of the events that match: since then, where the gateway remembers them, and from now on.
    pub(crate) async fn stream(
        &self,
        pattern: &str,
        since: Option<DateTime<Utc>>,
    ) -> Result<impl Stream<Item = Bytes> + use<>, Fault> {
        let request = self.http.get(format!("{}/events/stream", self.url)).query(&[("pattern", pattern)]);
        let request = match since {
            Some(since) => request.query(&[("since", since.to_rfc3339())]),
            None => request,
        };
        let chunks = self.send(request).await?.bytes_stream();
        let mut rest = Vec::new();
        // Of server-sent events only the data lines are of interest; an envelope is one line.
        Ok(chunks.take_while(|chunk| std::future::ready(chunk.is_ok())).flat_map(move |chunk| {
            rest.extend_from_slice(&chunk.unwrap_or_default());
            let complete = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            let lines: Vec<u8> = rest.drain(..complete).collect();
            let data = lines.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
            let events: Vec<_> = data.map(|line| Bytes::copy_from_slice(line.trim_ascii())).collect();
            futures_util::stream::iter(events)
        }))
    }

    /// An address, whatever stands in its parts.
    fn place(&self, parts: &[&str]) -> Result<Url, Fault> {
        let mut url = Url::parse(&self.url).map_err(|error| Fault::failed(format!("{}: {error}", self.url)))?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        Ok(url)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, Fault> {
        let response = self.answer(request).await?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    /// `None`: there is no such thing.
    async fn send_unless_missing(&self, request: RequestBuilder) -> Result<Option<Response>, Fault> {
        let response = self.answer(request).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(response)),
            _ => Err(self.refused(response).await),
        }
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, Fault> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.map_err(|error| self.gone(&error))
    }

    async fn refused(&self, response: Response) -> Fault {
        let status = response.status();
        let problem: Value = response.json().await.unwrap_or_default();
        let detail = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or("it gives no reason");
        let faults = problem["errors"].as_array().or(problem["faults"].as_array()).into_iter().flatten();
        let faults: String = faults
            .filter_map(|fault| Some(format!("; at {}: {}", fault["pointer"], fault["detail"].as_str()?)))
            .collect();
        let remedy = if status == StatusCode::UNAUTHORIZED { "; set BLOODBANK_TOKEN" } else { "" };
        let message = format!("the gateway at {} refuses: {detail}{faults}{remedy}", self.url);
        if status.is_client_error() { Fault::usage(message) } else { Fault::failed(message) }
    }

    fn gone(&self, error: &reqwest::Error) -> Fault {
        Fault::failed(format!("the gateway at {} does not answer: {error}; see what it says", self.url))
    }

    fn strange(&self, answer: &Value) -> Fault {
        Fault::failed(format!("the gateway at {} answers what is no receipt: {answer}", self.url))
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Fault> {
    response.json().await.map_err(|error| Fault::failed(format!("the answer of the gateway cannot be read: {error}")))
}

fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
