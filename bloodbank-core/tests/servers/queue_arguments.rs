//! Further arguments of queues, as a setting gives them.

use std::sync::Arc;

use crate::amqp_support::{Observer, connect, name, queues, settings, shared_url, to_queue};
use bloodbank_amqp::{Amqp, definitions};
use bloodbank_core::{
    ErrorKind, Settings,
    settings::QueueKind,
    transport::{
        Consume, Publish, Topology, TopologyStatus, Transport,
        topology::{Queue, dead_letter_queue},
    },
};

fn with(url: &str, arguments: &str) -> Settings {
    let mut settings = settings(url);
    settings.queue_arguments = Settings::from_vars([("BLOODBANK_QUEUE_ARGUMENTS", arguments)]).unwrap().queue_arguments;
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_has_the_arguments_of_the_setting_and_what_is_full_is_refused() {
    for kind in [QueueKind::Quorum, QueueKind::Classic] {
        let queue = name("bounded");
        // Classic queues have no leader, and RabbitMQ 3.10 refuses them the argument.
        let more = if kind == QueueKind::Quorum { r#", "x-queue-leader-locator": "balanced""# } else { "" };
        let arguments = format!(r#"{{"{queue}": {{"x-max-length": 3{more}}}}}"#);
        let settings = with(&shared_url().await, &arguments);
        let bounded = Amqp::connect(&settings).await.unwrap();
        let topology = queues(vec![Queue::new(Arc::clone(&queue), kind)]);
        bounded.declare(topology.clone()).await.unwrap();
        // Again, after a reconnect too, it is the same.
        bounded.declare(topology.clone()).await.unwrap();
        let compared = bounded.compare(topology.clone()).await.unwrap();
        assert!(compared.iter().all(|item| item.status == TopologyStatus::Equal), "{compared:?}");
        let mut refused = None;
        for number in 0..50 {
            match bounded.publish(to_queue(&queue, number.to_string())).await {
                Ok(_) => {}
                Err(error) => refused = Some(error),
            }
        }
        let refused = refused.expect("it is full");
        assert_eq!(refused.kind(), ErrorKind::Refused);
        assert!(refused.to_string().contains("is full"), "{refused}");
        // Whoever has no such setting learns what differs.
        let plain = connect().await;
        let said = plain.declare(topology).await.unwrap_err().to_string();
        assert!(said.contains("`x-max-length`") && said.contains("the broker has `3`"), "{said}");
        for amqp in [bounded, plain] {
            amqp.close().await;
        }
        Observer::new().await.delete(&[&queue]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_s_queue_takes_further_arguments_beside_its_own() {
    let (exchange, queue) = (name("events"), name("shop.ship"));
    let arguments = format!(
        r#"{{"{queue}": {{"x-max-length": 1000, "x-message-ttl": 60000}}, "{queue}.dlq": {{"x-max-length-bytes": 1000000, "x-overflow": "drop-head"}}}}"#
    );
    let settings = with(&shared_url().await, &arguments);
    let amqp = Amqp::connect(&settings).await.unwrap();
    let topology = Topology::subscriber(&exchange, &queue, QueueKind::Quorum, &["orders.#".into()]);
    amqp.declare(topology.clone()).await.unwrap();
    amqp.close().await;
    let shown = definitions(&topology, &settings).unwrap();
    let of = |queue: &str| {
        let mut queues = shown["queues"].as_array().unwrap().iter();
        queues.find(|shown| shown["name"] == queue).unwrap()["arguments"].clone()
    };
    assert_eq!(of(&queue)["x-message-ttl"], 60_000);
    assert_eq!(of(&queue)["x-overflow"], "reject-publish");
    assert_eq!(of(&dead_letter_queue(&queue))["x-overflow"], "drop-head");
    Observer::new().await.delete(&[&queue, &dead_letter_queue(&queue)]).await;
}
