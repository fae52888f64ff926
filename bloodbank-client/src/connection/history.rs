//! The events that the bus remembers, whichever way to it is open.

use std::{collections::VecDeque, pin::pin, time::Duration};

use bloodbank_core::{
    Bus, Settings,
    routing::BindingPattern,
    store::{JournalQuery, Position},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout_at};

use super::Connection;
use crate::{
    error::{ClientError, Result},
    gateway::{GatewayClient, GatewayEvent},
};

/// A stream that begins in the past has no mark where the present begins: it has arrived there when nothing more comes
/// within this time.
const QUIET: Duration = Duration::from_millis(500);
/// On a busy bus something always comes.
const LONGEST: Duration = Duration::from_secs(5);

impl Connection {
    /// The envelopes of the last events that match a pattern, at most so many of those published since a time, oldest first.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] where the bus remembers no events, as RabbitMQ; otherwise when neither bus nor gateway
    /// answers, or the gateway refuses the stream.
    pub async fn history(
        &self,
        settings: &Settings,
        pattern: &BindingPattern,
        since: DateTime<Utc>,
        most: usize,
    ) -> Result<Vec<Bytes>> {
        match self {
            Self::Gateway(gateway) => of_gateway(gateway, settings, pattern, since, most).await,
            Self::Bus(bus) => of_bus(bus, settings, pattern, since, most).await,
        }
    }
}

async fn of_gateway(
    gateway: &GatewayClient,
    settings: &Settings,
    pattern: &BindingPattern,
    since: DateTime<Utc>,
    most: usize,
) -> Result<Vec<Bytes>> {
    let mut events = pin!(gateway.events(settings, pattern.as_str(), Some(since)).await?);
    let mut bodies = VecDeque::new();
    let end = Instant::now() + LONGEST;
    while let Ok(Some(event)) = timeout_at(end.min(Instant::now() + QUIET), events.next()).await {
        if let GatewayEvent::Envelope(body) = event? {
            bodies.push_back(body);
            if bodies.len() > most {
                bodies.pop_front();
            }
        }
    }
    Ok(bodies.into())
}

async fn of_bus(
    bus: &Bus,
    settings: &Settings,
    pattern: &BindingPattern,
    since: DateTime<Utc>,
    most: usize,
) -> Result<Vec<Bytes>> {
    let Some(journal) = bus.transport().stores(settings).journal else {
        return Err(ClientError::Invalid("this bus remembers no events; a file of the embedded bus does".to_owned()));
    };
    let query = JournalQuery::all().pattern(pattern.clone()).exchange(&**bus.exchange()).since(since);
    let entries = journal.read(query, Position::Last(most));
    Ok(entries.map_ok(|entry| entry.message.body).try_collect().await?)
}
