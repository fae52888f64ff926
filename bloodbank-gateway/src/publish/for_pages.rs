//! Publishing for pages that a program adds, such as those of `bloodbank-dashboard`.

use bloodbank_core::{Receipt, envelope::Source};
use serde_json::Value;
use uuid::Uuid;

use super::PublishRequest;
use crate::{auth::Caller, gateway::Gateway, problem::Problem};

impl Gateway {
    /// Publishes an event for a caller, as `POST /events/…` does: where the caller may, and the payload is valid. Without an id the
    /// event gets one.
    ///
    /// # Errors
    /// The problem that the endpoint would answer with.
    pub async fn publish(
        &self,
        caller: &Caller,
        key: &str,
        payload: Value,
        source: Option<Source>,
        event_id: Option<Uuid>,
    ) -> Result<Receipt, Problem> {
        let request = PublishRequest { source, event_id, ..PublishRequest::payload(key, payload) };
        let (receipt, _) = request.publish(self, caller).await?;
        Ok(receipt)
    }
}
