//! Health: what is told apart, on a broker that fails.

use std::sync::Arc;

use crate::amqp_support::{blocking, eventually, settings};
use bloodbank_core::{Bus, app::HealthState, transport::ConnectionState};
use bloodbank_harness::RabbitMq;

#[tokio::test(flavor = "multi_thread")]
async fn the_states_of_the_broker_are_told_apart() {
    let broker = Arc::new(blocking(|| RabbitMq::start().unwrap()).await);
    let with = async |work: fn(&RabbitMq)| {
        let broker = Arc::clone(&broker);
        blocking(move || work(&broker)).await;
    };
    let bus = Bus::connect(settings(&broker.url())).await.unwrap();
    let healthy = bus.health();
    assert_eq!((healthy.live, healthy.ready, healthy.state), (true, true, HealthState::Healthy), "{healthy:?}");
    assert_eq!(healthy.connections, [("publish", ConnectionState::Up), ("consume", ConnectionState::Up)]);
    assert!(healthy.reasons.is_empty());
    let reaches = async |ready: bool, state: HealthState, reason: &str| {
        eventually(reason, || async {
            let health = bus.health();
            assert!(health.live);
            (health.ready, health.state) == (ready, state) && health.reasons.iter().any(|text| text.contains(reason))
        })
        .await;
    };

    with(|broker| drop(broker.ctl(&["set_vm_memory_high_watermark", "absolute", "1"]).unwrap())).await;
    // The broker says so when somebody publishes.
    let exchange = Arc::clone(bus.exchange());
    let message = crate::amqp_support::message(&exchange, "a.b", "{}");
    let waiting = tokio::spawn({
        let bus = bus.clone();
        async move { bus.transport().publish(message).await }
    });
    reaches(true, HealthState::Degraded, "accepts nothing").await;
    with(|broker| drop(broker.ctl(&["set_vm_memory_high_watermark", "absolute", "2GB"]).unwrap())).await;
    waiting.await.unwrap().unwrap();
    eventually("healthy again", || async { bus.health().state == HealthState::Healthy }).await;

    with(|broker| broker.kill().unwrap()).await;
    reaches(false, HealthState::Unhealthy, "check that the broker is up").await;
    with(|broker| broker.start_again().unwrap()).await;
    reaches(true, HealthState::Degraded, "was lost and made again").await;

    bus.close().await;
    let closed = bus.health();
    assert_eq!((closed.live, closed.ready, closed.state), (false, false, HealthState::Unhealthy), "{closed:?}");
}

#[tokio::test]
async fn the_embedded_bus_is_healthy() {
    let bus = Bus::embedded();
    let health = bus.health();
    assert_eq!((health.live, health.ready, health.state), (true, true, HealthState::Healthy));
    assert!(health.connections.is_empty());
}
