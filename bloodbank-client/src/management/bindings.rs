//! What is bound to an exchange, which AMQP cannot list.

use std::collections::HashSet;

use bloodbank_core::Settings;
use serde::{Deserialize, Serialize};

use super::Access;
use crate::error::Result;

const COLUMNS: &str = "destination,destination_type,routing_key";

/// A binding of a queue or of another exchange to an exchange.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExchangeBinding {
    /// Whether an exchange is bound, and not a queue.
    pub is_exchange: bool,
    /// The queue or the exchange.
    pub destination: String,
    /// The binding pattern.
    pub pattern: String,
    /// Whether what is bound outlives its connection: an exchange, or a durable queue.
    pub is_lasting: bool,
}

impl ExchangeBinding {
    /// What is bound to an exchange of the virtual host of these settings, sorted; `None`: there is no such exchange.
    ///
    /// # Errors
    /// [`ClientError::NoManagement`](crate::ClientError::NoManagement) when the management API does not answer.
    pub async fn of(settings: &Settings, exchange: &str) -> Result<Option<Vec<Self>>> {
        let access = Access::from_settings(settings)?;
        // Of an exchange that is not there, RabbitMQ 3.10 lists no bindings, and later ones say that there is none.
        let exchanges: Vec<Exchange> = access.get(&["exchanges", &access.vhost], "name").await?;
        if !exchanges.iter().any(|known| known.name == exchange) {
            return Ok(None);
        }
        let found: Vec<Binding> =
            access.get(&["exchanges", &access.vhost, exchange, "bindings", "source"], COLUMNS).await?;
        let queues: Vec<Queue> = access.get(&["queues", &access.vhost], "name,durable,exclusive").await?;
        let lasting = queues.into_iter().filter(|queue| queue.durable && !queue.exclusive);
        let lasting: HashSet<_> = lasting.map(|queue| queue.name).collect();
        let mut bindings: Vec<_> = found
            .into_iter()
            .map(|Binding { destination, destination_type, routing_key }| Self {
                is_exchange: destination_type == "exchange",
                is_lasting: destination_type == "exchange" || lasting.contains(&destination),
                destination,
                pattern: routing_key,
            })
            .collect();
        bindings.sort_unstable();
        Ok(Some(bindings))
    }
}

#[derive(Deserialize)]
struct Exchange {
    name: String,
}

#[derive(Deserialize)]
struct Queue {
    name: String,
    #[serde(default)]
    durable: bool,
    #[serde(default)]
    exclusive: bool,
}

#[derive(Deserialize)]
struct Binding {
    destination: String,
    destination_type: String,
    routing_key: String,
}
