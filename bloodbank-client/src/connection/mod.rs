//! An open way to the bus: directly, or through the gateway or the service that has its file open.

mod dead_letters;
mod events;
mod history;
mod queues;
mod replay;
mod trace;

use std::time::Duration;

use bloodbank_core::{Bus, ErrorKind, ExecuteError, Settings, publish::PublishValue};
use serde_json::{Value, json};

pub use self::replay::StartedReplay;

use crate::{
    error::{ClientError, Result},
    gateway::GatewayClient,
    publish::{PublishReceipt, PublishRequest},
};

/// Which way to the bus is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Via {
    /// Through the gateway that has the file of the bus open; directly where none runs, or through the service that has it.
    #[default]
    Auto,
    /// Through the gateway that has the file of the bus open, otherwise the one at `HTTP_HOST` and `HTTP_PORT`.
    Http,
    /// Directly.
    Bus,
}

/// An open way to the bus.
#[derive(Debug)]
pub enum Connection {
    /// The bus itself.
    Bus(Bus),
    /// A gateway that has the bus open.
    Gateway(GatewayClient),
}

impl Connection {
    /// Opens the bus of these settings.
    ///
    /// # Errors
    /// [`ClientError::NoGateway`] when [`Via::Http`] finds none, and the errors of [`Bus::connect`].
    pub async fn open(settings: Settings, via: Via) -> Result<Self> {
        let gateway = match via {
            Via::Auto => GatewayClient::find(&settings).await?,
            Via::Http => Some(GatewayClient::require(&settings).await?),
            Via::Bus => None,
        };
        if let Some(gateway) = gateway {
            return Ok(Self::Gateway(gateway));
        }
        Ok(Self::Bus(Bus::attach_or_connect(settings).await?))
    }

    /// Publishes an event; resolves when it is confirmed.
    ///
    /// # Errors
    /// When the event is refused, or neither bus nor gateway answers.
    pub async fn publish(&self, request: &PublishRequest<'_>) -> Result<PublishReceipt> {
        match self {
            Self::Gateway(gateway) => gateway.publish(request).await,
            Self::Bus(bus) => {
                let receipt = publish(bus, request).await?;
                let event_type = receipt.event_type.to_string();
                Ok(PublishReceipt { event_id: receipt.event_id, event_type, unrouted: receipt.unrouted })
            }
        }
    }

    /// Publishes a command and waits for the envelope of its reply; `null` for a command without one.
    ///
    /// # Errors
    /// [`ClientError::CommandFailed`], [`ClientError::NoExecutor`] and [`ClientError::NoReply`], and like
    /// [`Connection::publish`].
    pub async fn execute(&self, request: &PublishRequest<'_>, timeout: Duration) -> Result<Value> {
        match self {
            Self::Gateway(gateway) => gateway.execute(request, timeout).await,
            Self::Bus(bus) => match publish(bus, request).execute(timeout).await {
                Err(ExecuteError::Bus(error)) if error.kind() == ErrorKind::Unrouted => {
                    Err(ClientError::NoExecutor { routing_key: request.routing_key.to_owned() })
                }
                reply => Ok(json!(reply?)),
            },
        }
    }

    /// Closes the bus; a gateway stays open.
    pub async fn close(&self) {
        match self {
            Self::Bus(bus) => bus.close().await,
            Self::Gateway(_) => {}
        }
    }
}

/// Whether the bus of these settings is in the memory of one process, and ends with it.
#[must_use]
pub fn is_in_memory(settings: &Settings) -> bool {
    settings.rabbit_url.is_none() && settings.embedded_path.is_none()
}

fn publish<'a>(bus: &'a Bus, request: &PublishRequest<'a>) -> PublishValue<'a> {
    let mut publish = bus.publish_value(request.routing_key, request.payload);
    publish = publish.causes(request.causes.iter()).source(request.source.clone());
    if let Some(event_id) = request.event_id {
        publish = publish.event_id(event_id);
    }
    if let Some(timestamp) = request.timestamp {
        publish = publish.timestamp(timestamp);
    }
    if let Some(agent) = request.agent_context {
        publish = publish.agent_context(agent.clone());
    }
    publish
}
