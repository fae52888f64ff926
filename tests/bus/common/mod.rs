//! Every bus that a service can run on.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file uses a part of it")]

mod intercept;

use std::{future::Future, sync::Arc, time::Duration};

use bloodbank::{Bus, Settings, app::BusBuilder, embedded::Embedded, message::Incoming, settings::QueueKind};
use bloodbank_harness::{shared_rabbit_url, unique};
use futures_util::StreamExt;
use tokio::time::timeout;

pub use intercept::{Fate, intercepted};

/// Longer than anything here should take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Settings with an exchange of their own, so that tests on one broker do not see each other's events.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.exchange_name = unique("test.events");
    settings
}

/// The embedded bus in memory.
pub async fn memory() -> Bus {
    BusBuilder::new(settings()).connect().await.unwrap()
}

/// The embedded bus in a file. The folder lives as long as the process.
pub async fn file() -> Bus {
    let path = tempfile::tempdir().unwrap().keep().join("bus.db");
    let transport = Arc::new(Embedded::open(&path).await.unwrap());
    BusBuilder::new(settings()).transport(transport).connect().await.unwrap()
}

/// RabbitMQ with quorum queues.
pub async fn quorum() -> Bus {
    rabbit(QueueKind::Quorum).await
}

/// RabbitMQ with classic queues.
pub async fn classic() -> Bus {
    rabbit(QueueKind::Classic).await
}

async fn rabbit(kind: QueueKind) -> Bus {
    let url = tokio::task::spawn_blocking(shared_rabbit_url).await.unwrap();
    let mut settings = settings();
    settings.rabbit_url = Some(url.into());
    settings.queue_kind = kind;
    Bus::connect(settings).await.unwrap()
}

/// Runs the same test body on every bus.
#[macro_export]
macro_rules! on_every_bus {
    ($($name:ident),* $(,)?) => {
        on_every_bus! { @bus memory $($name)* }
        on_every_bus! { @bus file $($name)* }
        on_every_bus! { @bus quorum $($name)* }
        on_every_bus! { @bus classic $($name)* }
    };
    (@bus $bus:ident $($name:ident)*) => {
        mod $bus {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let bus = $crate::common::$bus().await;
                    super::$name(bus).await;
                }
            )*
        }
    };
}

/// What arrives within [`PATIENCE`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}"))
}

/// The next messages of a queue, acknowledged.
pub async fn take(bus: &Bus, queue: &str, count: usize) -> Vec<Incoming> {
    let mut deliveries = bus.transport().consume(queue.into(), 16).await.unwrap();
    let mut messages = Vec::new();
    for _ in 0..count {
        let delivery = soon(queue, deliveries.next()).await.unwrap();
        messages.push(delivery.message.clone());
        delivery.ack();
    }
    messages
}
