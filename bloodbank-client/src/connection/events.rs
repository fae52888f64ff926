//! The stream of events, whichever way to the bus is open.

use std::time::Duration;

use bloodbank_core::{
    Bus, Settings,
    routing::BindingPattern,
    settings::QueueKind,
    transport::{
        Deliveries, Topology,
        topology::{Binding, Queue},
    },
};
use futures_util::{StreamExt, stream::BoxStream};
use uuid::Uuid;

use super::Connection;
use crate::{error::Result, gateway::GatewayEvent};

/// The number of deliveries that are on their way at a time.
const PREFETCH: u16 = 256;
/// What is not read within this time is not waited for: whoever watches must not fill the memory of the broker.
const LIFETIME: Duration = Duration::from_secs(60);

impl Connection {
    /// The envelopes of the events that match a pattern, from now on. On the bus itself they come through a queue of their
    /// own, which is deleted when the connection is closed: no subscriber misses an event by it.
    ///
    /// # Errors
    /// When neither bus nor gateway answers, or the gateway refuses the stream. The stream of a gateway ends like that of
    /// [`GatewayClient::events`](crate::GatewayClient::events); that of a bus when the bus is closed.
    pub async fn events(
        &self,
        settings: &Settings,
        pattern: &BindingPattern,
    ) -> Result<BoxStream<'static, Result<GatewayEvent>>> {
        match self {
            Self::Gateway(gateway) => Ok(gateway.events(settings, pattern.as_str(), None).await?.boxed()),
            Self::Bus(bus) => Ok(watch(bus, pattern)
                .await?
                .map(|delivery| {
                    let body = delivery.message.body.clone();
                    delivery.ack();
                    Ok(GatewayEvent::Envelope(body))
                })
                .boxed()),
        }
    }
}

async fn watch(bus: &Bus, pattern: &BindingPattern) -> Result<Deliveries> {
    let queue = Queue::new(format!("bloodbank.tail.{}", Uuid::new_v4()), QueueKind::Transient).message_ttl(LIFETIME);
    let name = queue.name.clone();
    let binding = Binding { exchange: bus.exchange().clone(), queue: name.clone(), pattern: pattern.as_str().into() };
    bus.transport().declare(Topology::events(bus.exchange()).queues([queue]).bindings([binding])).await?;
    Ok(bus.transport().consume(name, PREFETCH).await?)
}
