//! The request that tells of an event.

use std::{error::Error, fmt, fmt::Write as _, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::{
    Client, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT},
    redirect::Policy,
};

use crate::{
    address::PublicOnly,
    entry::{Entry, header},
    signature::sign,
};

/// The most bytes of an answer that an error repeats.
const LONGEST_ANSWER: usize = 500;

/// The answer to a request that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status: 200 to 299.
    pub status: u16,
}

/// A request that was not taken.
#[derive(Debug)]
pub struct RequestError {
    pub(crate) message: String,
    /// The receiver says that it will never take another one.
    pub(crate) is_gone: bool,
    /// The time that the receiver asks for.
    pub(crate) retry_after: Option<Duration>,
}

impl RequestError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_gone: false, retry_after: None }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for RequestError {}

/// The client of a webhook. It follows no redirect, which could lead anywhere, and no proxy, which would resolve names itself.
pub(crate) fn client(entry: &Entry) -> reqwest::Result<Client> {
    // Fails where the program has chosen a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(entry.timeout);
    if entry.allow_private { client.build() } else { client.dns_resolver(Arc::new(PublicOnly)).build() }
}

/// Posts a signed body.
pub(crate) async fn post(client: &Client, entry: &Entry, id: &str, body: Vec<u8>) -> Result<Answer, RequestError> {
    let timestamp = Utc::now().timestamp();
    let request = client
        .post(entry.url.clone())
        .headers(entry.headers.iter().filter_map(|(name, value)| header(name, value)).collect())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("bloodbank/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", sign(&entry.secrets, id, timestamp, &body))
        .body(body);
    let response = request.send().await.map_err(|error| RequestError::new(causes(&error)))?;
    let status = response.status();
    if status.is_success() {
        return Ok(Answer { status: status.as_u16() });
    }
    let retry_after = retry_after(&response);
    let is_gone = status == StatusCode::GONE;
    let remedy =
        if status.is_redirection() { "; name the URL that it leads to: redirects are not followed" } else { "" };
    let text = beginning(response).await;
    Err(RequestError { is_gone, retry_after, message: format!("it answered {status}{remedy}{text}") })
}

/// An error of the client with its causes, which it does not say by itself. The URL stands in none of them: it may hold a secret.
fn causes(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "it did not answer in time" } else { "it cannot be reached" }.to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// The time that a receiver asks for, in seconds or as a date.
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?.to_utc() - Utc::now();
    until.to_std().ok()
}

/// The beginning of an answer, for the error.
async fn beginning(mut response: Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST_ANSWER {
        match response.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    bytes.truncate(LONGEST_ANSWER);
    let text = String::from_utf8_lossy(&bytes);
    if text.trim().is_empty() { String::new() } else { format!(": {}", text.trim()) }
}
