//! The embedded bus in a file: what was confirmed survives, whatever happens to the process.

mod child;
mod kill;
mod opening;
mod restart;

use std::{path::Path, sync::Arc, time::Duration};

use bloodbank_core::{
    ErrorKind, Result, Settings,
    message::{Outgoing, Properties, Published},
    settings::QueueKind,
    store::{JournalEntry, JournalQuery, LeaseKey, Position},
    transport::{Consume, Deliveries, Delivery, Publish, Topology, Transport, topology::rung_name},
};
use bloodbank_embedded::Embedded;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};

const EVENTS: &str = "bloodbank.events.v1";
const QUEUE: &str = "shop.ship";
const PATIENCE: Duration = Duration::from_secs(120);

/// A bus in the file `bus.db`, with one subscriber's queues.
async fn open(folder: &Path) -> Embedded {
    let bus = Embedded::open(&folder.join("bus.db")).await.unwrap();
    let topology = Topology::subscriber(&EVENTS.into(), &QUEUE.into(), QueueKind::Quorum, &["orders.#".into()]);
    bus.declare(topology).await.unwrap();
    bus
}

async fn publish(bus: &Embedded, exchange: &str, key: &str, body: impl Into<String>) -> Result<Published> {
    let mut properties = Properties::default().message_id(uuid::Uuid::new_v4()).event_type(key);
    properties.headers.set("traceparent", "00-1");
    bus.publish(Outgoing::new(exchange, key, Bytes::from(body.into())).properties(properties).mandatory()).await
}

async fn consume(bus: &Embedded, queue: &str) -> Deliveries {
    bus.consume(Arc::from(queue), 0).await.unwrap()
}

async fn next(deliveries: &mut Deliveries) -> Delivery {
    tokio::time::timeout(PATIENCE, deliveries.next()).await.expect("a message comes in time").expect("the bus is open")
}

fn body(delivery: &Delivery) -> &str {
    std::str::from_utf8(&delivery.message.body).unwrap()
}
