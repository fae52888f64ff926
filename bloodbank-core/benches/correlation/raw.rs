//! The least that can be done: lapin alone publishes, and one task beside it writes the links in batches of 256, without a
//! transaction, a breaker or a registry.

use std::{sync::Arc, time::Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use redis::aio::MultiplexedConnection;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use uuid::Uuid;

use crate::{EVENTS, Figure, KEY, cpu_seconds};

const BATCH: usize = 256;
/// As long as the envelope of a `Heard`.
const BODY: [u8; 750] = [b'x'; 750];

#[derive(Clone)]
pub(crate) struct Raw {
    channel: Channel,
    exchange: Arc<str>,
    redis: MultiplexedConnection,
}

impl Raw {
    pub(crate) async fn connect(rabbit: &str, redis: MultiplexedConnection, exchange: &str) -> Self {
        let connection = Connection::connect(rabbit, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self { channel, exchange: exchange.into(), redis }
    }

    /// As `publish` of the bus: each event caused by the one before it.
    pub(crate) async fn publish(&self, window: usize, is_tracked: bool) -> Figure {
        let raw = self.clone();
        let publishing = async move {
            let (links, writing) = mpsc::unbounded_channel();
            let (start, cpu) = (Instant::now(), cpu_seconds(std::process::id()));
            let writing = tokio::spawn(write(writing, raw.redis.clone()));
            let mut confirms = FuturesUnordered::new();
            let mut parent = Uuid::new_v4();
            for _ in 0..EVENTS {
                let child = Uuid::new_v4();
                let published = raw.send(child);
                // Not awaited in line: that would cost three times the CPU.
                confirms.push(async { published.await.unwrap().await });
                if is_tracked {
                    links.send((child, parent)).unwrap();
                }
                parent = child;
                if confirms.len() >= window {
                    assert!(matches!(confirms.next().await.unwrap().unwrap(), Confirmation::Ack(None)));
                }
            }
            while let Some(confirm) = confirms.next().await {
                assert!(matches!(confirm.unwrap(), Confirmation::Ack(None)));
            }
            drop(links);
            writing.await.unwrap();
            let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds(std::process::id()) - cpu);
            Figure { rate: EVENTS as f64 / seconds, cpu: cpu * 1e6 / EVENTS as f64 }
        };
        tokio::spawn(publishing).await.unwrap()
    }

    /// The first wait is for the socket, the second for the confirm.
    fn send(
        &self,
        event: Uuid,
    ) -> impl Future<Output = lapin::Result<impl Future<Output = lapin::Result<Confirmation>>>> {
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_delivery_mode(2)
            .with_message_id(event.to_string().into())
            .with_type(KEY.into());
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        self.channel.basic_publish((&*self.exchange).into(), KEY.into(), options, &BODY, properties)
    }
}

async fn write(mut links: UnboundedReceiver<(Uuid, Uuid)>, mut redis: MultiplexedConnection) {
    const TTL: u64 = 2_592_000;
    let mut batch = Vec::with_capacity(BATCH);
    while links.recv_many(&mut batch, BATCH).await > 0 {
        let mut pipeline = redis::Pipeline::with_capacity(batch.len() * 3);
        for (child, parent) in batch.drain(..) {
            let value = format!(
                r#"{{"parent_event_ids":["{parent}"],"created_at":"2025-10-18T12:00:00.000000","metadata":{{"app":"bench","event_type":"{KEY}"}}}}"#
            );
            let children = format!("bloodbank:correlation:reverse:{parent}");
            pipeline.cmd("SETEX").arg(format!("bloodbank:correlation:forward:{child}")).arg(TTL).arg(value).ignore();
            pipeline.cmd("SADD").arg(&children).arg(child.to_string()).ignore();
            pipeline.cmd("EXPIRE").arg(&children).arg(TTL).ignore();
        }
        pipeline.exec_async(&mut redis).await.unwrap();
    }
}
