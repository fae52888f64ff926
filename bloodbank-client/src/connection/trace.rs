//! Traces, whichever way to the bus is open.

use bloodbank_core::correlation::Trace;
use uuid::Uuid;

use super::Connection;
use crate::{
    error::{ClientError, Result},
    trace::CausationTrace,
};

/// The number of events that a trace is loaded with.
const MOST: usize = 1000;

impl Connection {
    /// Everything around an event: what led to it, and what it led to, at most a thousand events.
    ///
    /// # Errors
    /// When correlation is switched off or its store does not answer; through a gateway also when nothing is known about
    /// the event.
    pub async fn trace(&self, id: Uuid) -> Result<CausationTrace> {
        match self {
            Self::Gateway(gateway) => {
                let text = gateway.trace(&id.to_string(), "json", MOST).await?;
                serde_json::from_str(&text).map_err(|error| gateway.invalid_answer(error.to_string()))
            }
            Self::Bus(bus) => {
                let tracker = bus
                    .correlation()
                    .ok_or_else(|| ClientError::Invalid("this bus records no correlation".to_owned()))?;
                Ok(Trace::load_at_most(tracker, id, MOST).await?.into())
            }
        }
    }
}
