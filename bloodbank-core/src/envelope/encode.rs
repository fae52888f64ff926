//! Writing envelopes without copying what they hold.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{AgentContext, ENVELOPE_VERSION, Source, time};
use crate::error::{Error, ErrorKind, Result};

/// Enough for most; from 1,024 bytes on glibc tidies up its free lists before it allocates.
const ROOM: usize = 992;

/// What an envelope is written from.
#[derive(Serialize)]
struct Parts<'a, T> {
    event_id: Uuid,
    event_type: &'a str,
    #[serde(serialize_with = "time::serialize")]
    timestamp: DateTime<Utc>,
    version: &'static str,
    source: &'a Source,
    correlation_ids: &'a [Uuid],
    agent_context: Option<&'a AgentContext>,
    payload: &'a T,
}

/// The envelope as UTF-8 JSON.
pub(crate) fn encode<T: Serialize>(
    event_id: Uuid,
    event_type: &str,
    timestamp: DateTime<Utc>,
    source: &Source,
    correlation_ids: &[Uuid],
    agent_context: Option<&AgentContext>,
    payload: &T,
) -> Result<Vec<u8>> {
    let parts = Parts {
        event_id,
        event_type,
        timestamp,
        version: ENVELOPE_VERSION,
        source,
        correlation_ids,
        agent_context,
        payload,
    };
    let mut body = Vec::with_capacity(ROOM);
    serde_json::to_writer(&mut body, &parts).map_err(|error| {
        Error::new(ErrorKind::InvalidPayload, format!("`{event_type}` cannot be written as JSON")).with_source(error)
    })?;
    Ok(body)
}
