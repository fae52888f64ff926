//! What the embedded bus costs below the typed one: publish, take and acknowledge, in memory and in a file.
//!
//!     cargo bench -p bloodbank-core --bench embedded

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bloodbank_core::{
    Result,
    transport::{Consume, Outgoing, Properties, Publish, Topology, embedded::Embedded, topology::QueueKind},
};
use bytes::Bytes;
use futures_util::StreamExt;
use uuid::Uuid;

const EVENTS: u32 = 500_000;

fn topology(exchange: &Arc<str>, queue: &Arc<str>) -> Topology {
    Topology::subscriber(exchange, queue, QueueKind::Quorum, &["orders.order.placed".into()])
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        for round in 1..=3 {
            let plain = memory(false).await?;
            let headers = memory(true).await?;
            println!("memory, round {round}: publish + take + ack {plain:?}, with a traceparent {headers:?}");
        }
        Ok(())
    })
}

/// One event after the other: the time of publish, take and ack together.
async fn memory(with_header: bool) -> Result<Duration> {
    let bus = Embedded::in_memory();
    let exchange: Arc<str> = "bloodbank.events.v1".into();
    let queue: Arc<str> = "bench.orders".into();
    let key: Arc<str> = "orders.order.placed".into();
    let app: Arc<str> = "bench".into();
    bus.declare(topology(&exchange, &queue)).await?;
    let mut deliveries = bus.consume(Arc::clone(&queue), 256).await?;
    let body = vec![b'x'; 753];
    let mut properties = Properties {
        message_id: Some(Uuid::new_v4()),
        event_type: Some(Arc::clone(&key)),
        app_id: Some(app),
        ..Properties::default()
    };
    if with_header {
        properties
            .headers
            .set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    }
    let mut spent = Duration::ZERO;
    const BURST: u32 = 100;
    for _ in 0..EVENTS / BURST {
        // Making the message is the caller's affair.
        let messages: Vec<Outgoing> = (0..BURST)
            .map(|_| Outgoing {
                exchange: Arc::clone(&exchange),
                routing_key: Arc::clone(&key),
                properties: properties.clone(),
                body: Bytes::from(body.clone()),
                mandatory: true,
            })
            .collect();
        let start = Instant::now();
        for message in messages {
            bus.publish(message).await?;
            let delivery = deliveries.next().await.expect("the bus is open");
            delivery.ack();
        }
        spent += start.elapsed();
    }
    Ok(spent / EVENTS)
}
