//! Requests to a gateway, and what its answers mean.

use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::GatewayClient;
use crate::error::{ClientError, Result};

impl GatewayClient {
    /// A URL below that of the gateway, with its segments escaped.
    pub(super) fn url_of(&self, segments: &[&str]) -> Result<Url> {
        let mut url = Url::parse(&self.url)
            .map_err(|error| ClientError::GatewayUnreachable { url: self.url.clone(), reason: error.to_string() })?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Ok(url)
    }

    /// The answer to a request that succeeds.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = self.answer(request).await?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    /// The answer to a request; `None` for a 404.
    pub(super) async fn send_unless_missing(&self, request: RequestBuilder) -> Result<Option<Response>> {
        let response = self.answer(request).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(response)),
            _ => Err(self.refused(response).await),
        }
    }

    pub(super) async fn read<T: DeserializeOwned>(&self, response: Response) -> Result<T> {
        response.json().await.map_err(|error| self.invalid_answer(error.to_string()))
    }

    pub(super) fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        ClientError::GatewayUnreachable { url: self.url.clone(), reason: error.to_string() }
    }

    pub(crate) fn invalid_answer(&self, reason: String) -> ClientError {
        ClientError::InvalidAnswer { url: self.url.clone(), reason }
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    /// The problem document of a refusal, as an error.
    async fn refused(&self, response: Response) -> ClientError {
        let status = response.status().as_u16();
        let problem: Value = response.json().await.unwrap_or_default();
        let detail = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or("no reason is given");
        let faults = problem["errors"].as_array().or(problem["faults"].as_array()).into_iter().flatten();
        let faults: String = faults
            .filter_map(|fault| Some(format!("; at {}: {}", fault["pointer"], fault["detail"].as_str()?)))
            .collect();
        let more = problem["omitted_errors"].as_u64().map(|count| format!("; and {count} more")).unwrap_or_default();
        let id = problem["event_id"].as_str().map(|id| format!("; the event id is {id}")).unwrap_or_default();
        ClientError::GatewayRefused { url: self.url.clone(), status, reason: format!("{detail}{faults}{more}{id}") }
    }
}
