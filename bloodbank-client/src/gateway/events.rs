//! The stream of events of a gateway: server-sent events, resumed when the connection breaks.

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use bloodbank_core::Settings;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{Stream, StreamExt, stream};
use reqwest::Response;
use sse_stream::{Sse, SseStream};
use tokio::time::sleep;

use super::{GatewayAddress, GatewayClient};
use crate::error::{ClientError, Result};

/// An item of the stream of events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GatewayEvent {
    /// The envelope of an event, as JSON.
    Envelope(Bytes),
    /// The connection was lost and the stream goes on.
    Resumed {
        /// The address of the gateway, which may have changed.
        url: String,
        /// Whether no event was missed: the gateway knew the last one, and sends what followed it.
        is_complete: bool,
    },
}

/// A gateway that stopped may be started again within this time.
const RESUME_TIMEOUT: Duration = Duration::from_secs(30);
/// The pauses between two attempts to resume.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl GatewayClient {
    /// The envelopes of the events that match a pattern, from now on; with `since`, those that were published since then
    /// come first, where the bus remembers events.
    ///
    /// A stream whose connection breaks is resumed after its last event (`Last-Event-ID`), also where the gateway was
    /// started again at another address, which is read from its file.
    ///
    /// # Errors
    /// When the gateway refuses the stream. The stream itself ends with [`ClientError::StreamEnded`] when the gateway is
    /// not back in time, and with a refusal when it is.
    pub async fn events(
        &self,
        settings: &Settings,
        pattern: &str,
        since: Option<DateTime<Utc>>,
    ) -> Result<impl Stream<Item = Result<GatewayEvent>> + use<>> {
        let mut subscription = Subscription {
            gateway: self.clone(),
            settings: settings.clone(),
            pattern: pattern.to_owned(),
            since,
            last_event_id: None,
            events: None,
        };
        subscription.connect().await?;
        Ok(stream::try_unfold(subscription, |mut subscription| async move {
            Ok(Some((subscription.next().await?, subscription)))
        }))
    }
}

/// One connection's worth of events.
type Events = Pin<Box<dyn Stream<Item = Result<Sse, sse_stream::Error>> + Send>>;

struct Subscription {
    gateway: GatewayClient,
    settings: Settings,
    pattern: String,
    since: Option<DateTime<Utc>>,
    last_event_id: Option<String>,
    /// `None` once the connection is lost.
    events: Option<Events>,
}

impl Subscription {
    /// Opens the stream after the last event; says whether nothing was missed.
    async fn connect(&mut self) -> Result<bool> {
        let url = self.gateway.url_of(&["events", "stream"])?;
        let mut request = self.gateway.http.get(url).query(&[("pattern", &self.pattern)]);
        match (&self.last_event_id, self.since) {
            (Some(id), _) => request = request.header("last-event-id", id),
            (None, Some(since)) => request = request.query(&[("since", since.to_rfc3339())]),
            (None, None) => {}
        }
        let response = self.gateway.send(request).await?;
        let is_complete = match (&self.last_event_id, self.since) {
            (Some(_), _) => is_resumed(&response),
            // Nothing was received yet, so the gateway begins where it was to begin.
            (None, since) => since.is_some(),
        };
        self.events = Some(Box::pin(SseStream::from_bytes_stream(response.bytes_stream())));
        Ok(is_complete)
    }

    async fn next(&mut self) -> Result<GatewayEvent> {
        while let Some(events) = &mut self.events {
            // An end and an error mean the same: the gateway, or the way to it, is gone.
            let Some(Ok(event)) = events.next().await else { break };
            if event.id.is_some() {
                self.last_event_id = event.id;
            }
            if let Some(data) = event.data {
                return Ok(GatewayEvent::Envelope(data.into()));
            }
        }
        self.events = None;
        self.resume().await
    }

    /// Connects again, as soon as the gateway is back.
    async fn resume(&mut self) -> Result<GatewayEvent> {
        let begin = Instant::now();
        let mut pause = FIRST_PAUSE;
        while begin.elapsed() < RESUME_TIMEOUT {
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            if let Some(address) = GatewayAddress::find(&self.settings) {
                self.gateway.url = address.url;
            }
            match self.connect().await {
                Ok(is_complete) => {
                    return Ok(GatewayEvent::Resumed { url: self.gateway.url.clone(), is_complete });
                }
                Err(error) if error.is_invalid_request() => return Err(error),
                // Still gone, or not ready yet.
                Err(_) => {}
            }
        }
        Err(ClientError::StreamEnded { url: self.gateway.url.clone(), waited: RESUME_TIMEOUT })
    }
}

fn is_resumed(response: &Response) -> bool {
    response.headers().get("bloodbank-resumed").is_some_and(|resumed| resumed == "true")
}
