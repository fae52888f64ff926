//! The queues of the bus, whichever way to it is open.

use bloodbank_core::{Settings, transport::QueueStatus};

use super::Connection;
use crate::{
    error::Result,
    management::{self, ConnectionStatus},
};

impl Connection {
    /// The state of every queue of the bus, sorted by name: those of the embedded bus, or those of the virtual host of
    /// RabbitMQ by its management API, which is found through these settings.
    ///
    /// # Errors
    /// [`ClientError::NoManagement`](crate::ClientError::NoManagement) when RabbitMQ's management API does not answer;
    /// otherwise when neither bus nor gateway does.
    pub async fn queues(&self, settings: &Settings) -> Result<Vec<QueueStatus>> {
        let listed = match self {
            Self::Bus(bus) => bus.transport().queues().await?,
            Self::Gateway(gateway) => gateway.queues().await?,
        };
        match listed {
            Some(queues) => Ok(queues),
            None => management::queues(settings).await,
        }
    }

    /// The connections to RabbitMQ, by its management API, which is found through these settings; `None`: the bus is not on
    /// RabbitMQ, or a gateway stands before it.
    ///
    /// # Errors
    /// [`ClientError::NoManagement`](crate::ClientError::NoManagement) when the management API does not answer.
    pub async fn broker_connections(&self, settings: &Settings) -> Result<Option<Vec<ConnectionStatus>>> {
        match self {
            Self::Bus(_) if settings.rabbit_url.is_some() => Ok(Some(management::connections(settings).await?)),
            Self::Bus(_) | Self::Gateway(_) => Ok(None),
        }
    }

    /// The state of one queue; `None`: there is no such queue.
    ///
    /// # Errors
    /// When neither bus nor gateway answers.
    pub async fn queue(&self, name: &str) -> Result<Option<QueueStatus>> {
        match self {
            Self::Bus(bus) => Ok(bus.transport().queue(name.into()).await?),
            Self::Gateway(gateway) => gateway.queue(name).await,
        }
    }
}
