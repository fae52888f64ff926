//! Publishing through a gateway.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::GatewayClient;
use crate::{
    error::{ClientError, Result},
    publish::{PublishReceipt, PublishRequest},
};

/// The pauses between two questions about a command.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

impl GatewayClient {
    pub(crate) async fn publish(&self, request: &PublishRequest<'_>) -> Result<PublishReceipt> {
        let mut envelope = json!({
            "event_type": request.routing_key,
            "payload": request.payload,
            "source": request.source,
            "correlation_ids": request.causes,
        });
        if let Some(event_id) = request.event_id {
            envelope["event_id"] = json!(event_id);
        }
        if let Some(timestamp) = request.timestamp {
            envelope["timestamp"] = json!(timestamp);
        }
        if let Some(agent) = request.agent_context {
            envelope["agent_context"] = json!(agent);
        }
        let posted = self.http.post(format!("{}/events/custom", self.url)).json(&envelope);
        let answer: Value = self.read(self.send(posted).await?).await?;
        let event_id = answer["event_id"].as_str().and_then(|id| id.parse().ok());
        let receipt = event_id.map(|event_id| PublishReceipt {
            event_id,
            event_type: answer["event_type"].as_str().unwrap_or(request.routing_key).to_owned(),
            unrouted: answer["unrouted"].as_bool(),
        });
        receipt.ok_or_else(|| self.invalid_answer(format!("it is no receipt: {answer}")))
    }

    /// Publishes a command and asks for its state until it has ended.
    pub(crate) async fn execute(&self, request: &PublishRequest<'_>, timeout: Duration) -> Result<Value> {
        let deadline = Instant::now() + timeout;
        let receipt = self.publish(request).await?;
        if receipt.unrouted == Some(true) {
            return Err(ClientError::NoExecutor { routing_key: receipt.event_type });
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let url = format!("{}/commands/{}", self.url, receipt.event_id);
            let state: Value = self.read(self.send(self.http.get(url)).await?).await?;
            match state["status"].as_str() {
                Some("succeeded") => return Ok(state["reply"].clone()),
                Some("failed") => {
                    let failure = &state["failure"];
                    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    return Err(ClientError::CommandFailed(format!(
                        "{}: {}",
                        text(&failure["event_type"]),
                        text(&failure["payload"]["error_message"])
                    )));
                }
                _ if Instant::now() > deadline => {
                    return Err(ClientError::NoReply { routing_key: receipt.event_type, timeout });
                }
                _ => sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
