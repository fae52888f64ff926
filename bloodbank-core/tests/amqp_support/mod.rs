//! What the tests of the RabbitMQ transport share.
#![allow(dead_code, reason = "every test binary uses its own part")]

use std::{sync::Arc, time::Duration};

use bloodbank_amqp::Amqp;
use bloodbank_core::{
    Settings,
    message::{Outgoing, Properties},
    settings::QueueKind,
    transport::{
        Deliveries, Delivery, Publish,
        topology::{Binding, DeadLetterTo, Exchange, ExchangeKind, Queue, Topology},
    },
};
use bloodbank_harness::{shared_rabbit_url, unique};
use bytes::Bytes;
use futures_util::StreamExt;
use lapin::{
    options::{QueueDeclareOptions, QueueDeleteOptions},
    types::FieldTable,
};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn settings(url: &str) -> Settings {
    let mut settings = Settings::default();
    settings.rabbit_url = Some(url.to_owned().into());
    settings
}

/// The transport on the broker that all tests share.
pub(crate) async fn connect() -> Amqp {
    let url = shared_url().await;
    connect_to(&url).await
}

pub(crate) async fn connect_to(url: &str) -> Amqp {
    Amqp::connect(&settings(url)).await.expect("the broker answers")
}

pub(crate) async fn shared_url() -> String {
    blocking(shared_rabbit_url).await
}

/// Runs what blocks its thread, as the harness does.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic")
}

pub(crate) fn name(what: &str) -> Arc<str> {
    unique(what).into()
}

/// A topic exchange and a queue bound to it by `#`.
pub(crate) fn exchange_and_queue(kind: QueueKind) -> (Arc<str>, Arc<str>, Topology) {
    let (exchange, queue) = (name("exchange"), name("queue"));
    let topology = Topology::default()
        .exchanges([topic(&exchange)])
        .queues([Queue::new(Arc::clone(&queue), kind)])
        .bindings([Binding { exchange: Arc::clone(&exchange), queue: Arc::clone(&queue), pattern: "#".into() }]);
    (exchange, queue, topology)
}

pub(crate) fn topic(name: &Arc<str>) -> Exchange {
    Exchange { name: Arc::clone(name), kind: ExchangeKind::Topic }
}

pub(crate) fn default_exchange(routing_key: Option<&str>) -> DeadLetterTo {
    DeadLetterTo { exchange: "".into(), routing_key: routing_key.map(Into::into) }
}

pub(crate) fn queues(queues: Vec<Queue>) -> Topology {
    Topology::default().queues(queues)
}

pub(crate) fn message(exchange: &Arc<str>, key: &str, body: impl Into<Bytes>) -> Outgoing {
    Outgoing::new(Arc::clone(exchange), key, body)
        .properties(Properties::default().message_id(Uuid::new_v4()))
        .mandatory()
}

/// To a queue, by way of the default exchange.
pub(crate) fn to_queue(queue: &str, body: impl Into<Bytes>) -> Outgoing {
    message(&"".into(), queue, body)
}

pub(crate) async fn publish_all(amqp: &Amqp, messages: impl IntoIterator<Item = Outgoing>) {
    let published = futures_util::future::join_all(messages.into_iter().map(|message| amqp.publish(message))).await;
    for published in published {
        assert_eq!(published.expect("the broker confirms").unrouted, Some(false));
    }
}

pub(crate) fn body(delivery: &Delivery) -> String {
    String::from_utf8(delivery.message.body.to_vec()).expect("tests send text")
}

pub(crate) async fn next(deliveries: &mut Deliveries) -> Delivery {
    timeout(PATIENCE, deliveries.next()).await.expect("a delivery comes").expect("the stream goes on")
}

/// Waits until it is so.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let begin = Instant::now();
    while !condition().await {
        assert!(begin.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// A plain connection to look at the broker with.
pub(crate) struct Observer {
    connection: lapin::Connection,
}

impl Observer {
    pub(crate) async fn new() -> Self {
        Self::at(&shared_url().await).await
    }

    pub(crate) async fn at(url: &str) -> Self {
        let connection =
            lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await.expect("the broker answers");
        Self { connection }
    }

    pub(crate) async fn channel(&self) -> lapin::Channel {
        self.connection.create_channel().await.expect("a channel opens")
    }

    /// How many messages wait in a queue; `None` when there is no such queue.
    pub(crate) async fn waiting(&self, queue: &str) -> Option<u32> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = self.channel().await.queue_declare(queue.into(), options, FieldTable::default()).await;
        Some(declared.ok()?.message_count())
    }

    pub(crate) async fn waits(&self, queue: &str, count: u32) {
        eventually(&format!("{count} messages wait in {queue}"), || async { self.waiting(queue).await == Some(count) })
            .await;
    }

    pub(crate) async fn delete(&self, queues: &[&str]) {
        let channel = self.channel().await;
        for queue in queues {
            channel.queue_delete((*queue).into(), QueueDeleteOptions::default()).await.expect("the queue is deleted");
        }
    }
}
