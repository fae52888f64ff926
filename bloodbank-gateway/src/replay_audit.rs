//! The start of a replay, and the event that says who began it.

use std::time::Duration;

use bloodbank_core::{
    Bus,
    envelope::Source,
    replay::{ReplayProgress, ReplayRequest},
};
use serde_json::json;
use tracing::{info, warn};
use uuid::Uuid;

use crate::{gateway::Gateway, problem::Problem};

/// The time for a journal to say what its newest event is.
const END_TIMEOUT: Duration = Duration::from_secs(5);

impl Gateway {
    /// Starts a replay, and publishes the audit event `bloodbank.replay.started` with the name of who began it. The replay goes on
    /// whether or not anybody asks for it again.
    ///
    /// # Errors
    /// A problem where this replay runs already, or 16 others do.
    pub async fn start_replay(
        &self,
        request: ReplayRequest,
        who: Option<&str>,
        source: Source,
    ) -> Result<ReplayProgress, Problem> {
        let progress = self.replays().start(self.bus(), request.clone())?;
        // A replay does not send the event that says that it has begun. A broker that is away is waited for no longer.
        let _ = tokio::time::timeout(END_TIMEOUT, self.replays().knows_its_end(progress.id)).await;
        record_start(self.bus(), progress.id, &request, who, source).await;
        Ok(progress)
    }
}

/// Publishes the audit event of a replay that begins or goes on, and writes a line to the log. The replay has begun, also where the
/// event cannot be published.
async fn record_start(bus: &Bus, id: Uuid, request: &ReplayRequest, who: Option<&str>, source: Source) {
    const KEY: &str = "bloodbank.replay.started";
    let ReplayRequest { queue, query, rate, progress, .. } = request;
    info!(queue, who, replay = %id, "{KEY}");
    let payload = json!({
        "replay": id, "queue": queue, "who": who, "query": query, "rate": rate, "resumed": progress.is_some(),
    });
    if let Err(error) = bus.publish_value(KEY, &payload).allow_unregistered().source(source).await {
        warn!(%error, queue, "an audit event could not be published");
    }
}
