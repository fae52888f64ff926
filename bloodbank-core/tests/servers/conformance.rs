//! RabbitMQ passes the conformance suite, with quorum and with classic queues.

use std::{sync::Arc, time::Duration};

use bloodbank_amqp::Amqp;
use bloodbank_core::{
    Result, Settings,
    settings::QueueKind,
    transport::{Topology, Transport},
};
use bloodbank_harness::{RabbitMq, shared_rabbit_url};
use bloodbank_testing::conformance::Fixture;
use bloodbank_testing::conformance_suite;
use futures_util::future::BoxFuture;
use lapin::{
    Connection, ConnectionProperties,
    options::{ExchangeDeleteOptions, QueueDeleteOptions},
};

/// A broker: that of all tests, or one of its own that may be killed.
struct Rabbit {
    url: String,
    own: Option<Arc<RabbitMq>>,
}

impl Rabbit {
    fn shared() -> Self {
        Self { url: shared_rabbit_url(), own: None }
    }

    fn own() -> Self {
        let rabbit = RabbitMq::start().expect("this test needs a RabbitMQ");
        Self { url: rabbit.url(), own: Some(Arc::new(rabbit)) }
    }
}

impl Fixture for Rabbit {
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>>> {
        Box::pin(async {
            let mut settings = Settings::default();
            settings.rabbit_url = Some(self.url.clone().into());
            Ok(Arc::new(Amqp::connect(&settings).await?) as _)
        })
    }

    /// A broker that starts again takes a busy machine more than a minute.
    fn timeout(&self) -> Duration {
        Duration::from_secs(if self.own.is_some() { 360 } else { 180 })
    }

    fn restart(&self) -> BoxFuture<'_, ()> {
        let own = self.own.clone().expect("the shared broker is not to be killed");
        Box::pin(async move {
            let restarting = tokio::task::spawn_blocking(move || {
                // RabbitMQ 3.10 writes the list of its quorum queues some seconds later; a queue that is not on it
                // when the broker is killed comes back without its messages and without a leader.
                own.ctl(&["eval", "[dets:sync(Table) || Table <- dets:all()]."])?;
                own.kill()?;
                own.start_again()
            });
            restarting.await.expect("no panic").expect("the broker starts again");
        })
    }

    fn discard(&self, declared: Topology) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if self.own.is_none() {
                delete(&self.url, &declared).await.expect("the broker deletes what was declared");
            }
        })
    }
}

async fn delete(url: &str, declared: &Topology) -> lapin::Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    for queue in &declared.queues {
        let options = QueueDeleteOptions::default();
        channel.queue_delete((*queue.name).into(), options).await?;
    }
    for exchange in &declared.exchanges {
        let options = ExchangeDeleteOptions::default();
        channel.exchange_delete((*exchange.name).into(), options).await?;
    }
    connection.close(200, "done".into()).await
}

conformance_suite! {
    mod quorum;
    fixture: Rabbit::shared();
    queues: QueueKind::Quorum;
    features: [durable, delivery_limit];
    restart: Rabbit::own();
}

conformance_suite! {
    mod classic;
    fixture: Rabbit::shared();
    queues: QueueKind::Classic;
    features: [durable];
    restart: Rabbit::own();
}
