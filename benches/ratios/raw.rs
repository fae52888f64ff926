//! Raw lapin, used for speed: publishing keeps a window of confirms in flight; consuming decodes the typed envelope and
//! acknowledges with `multiple`.

use bloodbank::EventEnvelope;
use futures_util::{StreamExt, stream::FuturesUnordered};
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, QueueDeleteOptions, QueuePurgeOptions,
    },
    types::FieldTable,
};

use crate::{
    measure::{Figure, Round},
    sample::{self, SentenceHeard},
};

pub(crate) struct Client {
    connection: Connection,
    publisher: Channel,
}

/// The number of messages for which one acknowledgement is sent.
const ACK_EVERY: usize = 100;

impl Client {
    pub(crate) async fn connect(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
        let publisher = connection.create_channel().await.unwrap();
        publisher.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        Self { connection, publisher }
    }

    pub(crate) fn publisher(&self) -> &Channel {
        &self.publisher
    }

    pub(crate) async fn channel(&self) -> Channel {
        self.connection.create_channel().await.unwrap()
    }

    pub(crate) async fn publish(&self, exchange: &str, key: &str, events: usize, window: usize) -> Figure {
        let round = Round::begin();
        let mut confirms = FuturesUnordered::new();
        for _ in 0..events {
            // The same message: the properties that the wire format asks for.
            let properties = BasicProperties::default()
                .with_content_type("application/json".into())
                .with_content_encoding("utf-8".into())
                .with_delivery_mode(2)
                .with_message_id(uuid::Uuid::new_v4().to_string().into())
                .with_timestamp(1_760_788_800)
                .with_type(key.into())
                .with_app_id("bloodbank".into());
            let options = BasicPublishOptions { mandatory: true, ..Default::default() };
            let published =
                self.publisher.basic_publish(exchange.into(), key.into(), options, sample::body(), properties);
            // Not awaited in line: that would cost three times the CPU.
            confirms.push(async { published.await.unwrap().await });
            if confirms.len() >= window {
                assert!(matches!(confirms.next().await.unwrap().unwrap(), Confirmation::Ack(None)));
            }
        }
        while let Some(confirm) = confirms.next().await {
            assert!(matches!(confirm.unwrap(), Confirmation::Ack(None)));
        }
        round.end(events)
    }

    pub(crate) async fn consume(&self, queue: &str, events: usize, prefetch: u16) -> Figure {
        let channel = self.connection.create_channel().await.unwrap();
        channel.basic_qos(prefetch, BasicQosOptions::default()).await.unwrap();
        let mut consumer = channel
            .basic_consume(queue.into(), "raw".into(), BasicConsumeOptions::default(), FieldTable::default())
            .await
            .unwrap();
        // From the first event on: how long it takes to start is another question.
        let mut round = None;
        for number in 1..=events {
            let delivery = consumer.next().await.unwrap().unwrap();
            round.get_or_insert_with(Round::begin);
            let envelope: EventEnvelope<SentenceHeard> = serde_json::from_slice(&delivery.data).unwrap();
            assert_eq!(envelope.event_type, sample::KEY);
            if number % ACK_EVERY == 0 || number == events {
                channel.basic_ack(delivery.delivery_tag, BasicAckOptions { multiple: true }).await.unwrap();
            }
        }
        let figure = round.unwrap().end(events);
        channel.basic_cancel("raw".into(), BasicCancelOptions::default()).await.unwrap();
        channel.close(200, "done".into()).await.unwrap();
        figure
    }

    /// Consumes, publishes another event for each, and acknowledges when that is confirmed, with so many in flight.
    pub(crate) async fn relay(&self, queue: &str, exchange: &str, events: usize, in_flight: u16) -> Figure {
        let channel = self.connection.create_channel().await.unwrap();
        channel.basic_qos(in_flight, BasicQosOptions::default()).await.unwrap();
        let mut consumer = channel
            .basic_consume(queue.into(), "raw".into(), BasicConsumeOptions::default(), FieldTable::default())
            .await
            .unwrap();
        let (mut round, mut taken, mut done) = (None, 0, 0);
        let mut confirms = FuturesUnordered::new();
        while done < events {
            tokio::select! {
                delivery = consumer.next(), if taken < events => {
                    let delivery = delivery.unwrap().unwrap();
                    round.get_or_insert_with(Round::begin);
                    taken += 1;
                    let heard: EventEnvelope<SentenceHeard> = serde_json::from_slice(&delivery.data).unwrap();
                    let body = sample::relayed(heard);
                    let properties = BasicProperties::default()
                        .with_content_type("application/json".into())
                        .with_content_encoding("utf-8".into())
                        .with_delivery_mode(2)
                        .with_message_id(uuid::Uuid::new_v4().to_string().into())
                        .with_timestamp(1_760_788_800)
                        .with_type(sample::RELAYED.into())
                        .with_app_id("bloodbank".into());
                    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
                    let publisher = &self.publisher;
                    confirms.push(async move {
                        let published =
                            publisher.basic_publish(exchange.into(), sample::RELAYED.into(), options, &body, properties);
                        let confirm = published.await.unwrap().await.unwrap();
                        (confirm, delivery.delivery_tag)
                    });
                }
                Some((confirm, tag)) = confirms.next() => {
                    assert!(matches!(confirm, Confirmation::Ack(None)));
                    channel.basic_ack(tag, BasicAckOptions::default()).await.unwrap();
                    done += 1;
                }
            }
        }
        let figure = round.unwrap().end(events);
        channel.basic_cancel("raw".into(), BasicCancelOptions::default()).await.unwrap();
        channel.close(200, "done".into()).await.unwrap();
        figure
    }

    pub(crate) async fn purge(&self, queue: &str) {
        self.publisher.queue_purge(queue.into(), QueuePurgeOptions::default()).await.unwrap();
    }

    pub(crate) async fn delete(&self, queue: &str) {
        for name in [queue.to_owned(), format!("{queue}.dlq")] {
            self.publisher.queue_delete(name.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
        }
    }
}
