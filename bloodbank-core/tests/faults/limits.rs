//! Limits that an operator has set are named as limits, with the one that is to be raised.

use std::sync::Arc;

use crate::amqp_support::{blocking, connect_to, name, next, queues, settings, to_queue};
use bloodbank_amqp::Amqp;
use bloodbank_core::{
    ErrorKind,
    settings::QueueKind,
    transport::{ConnectionState, Consume, Deliveries, Publish, Transport, topology::Queue},
};
use bloodbank_harness::RabbitMq;

async fn ctl(rabbit: &Arc<RabbitMq>, arguments: &'static [&'static str]) {
    let rabbit = Arc::clone(rabbit);
    blocking(move || rabbit.ctl(arguments).expect("rabbitmqctl obeys")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_that_is_reached_is_named_with_what_raises_it() {
    let rabbit = Arc::new(blocking(|| RabbitMq::start().expect("a broker starts")).await);
    let url = rabbit.url();

    ctl(&rabbit, &["set_vhost_limits", "-p", "/", r#"{"max-queues": 2}"#]).await;
    let amqp = connect_to(&url).await;
    let many = (0..3).map(|_| Queue::new(name("queue"), QueueKind::Classic)).collect();
    let error = amqp.declare(queues(many)).await.unwrap_err();
    println!("max-queues: {error}");
    assert_eq!(error.kind(), ErrorKind::Topology);
    let said = error.to_string();
    for part in ["queue `queue", "exceeds a limit", "`max-queues`", "set_vhost_limits", "2 for each subscriber"] {
        assert!(said.contains(part), "{said} lacks {part}");
    }
    amqp.close().await;

    ctl(&rabbit, &["set_vhost_limits", "-p", "/", r#"{"max-connections": 0}"#]).await;
    let error = Amqp::connect(&settings(&url)).await.unwrap_err();
    println!("max-connections of the virtual host: {error}");
    assert_eq!(error.kind(), ErrorKind::Connection);
    let said = error.to_string();
    assert!(said.contains("`max-connections` of the virtual host") && said.contains("two connections"), "{said}");
    assert!(!said.contains("create the virtual host"), "{said}");
    ctl(&rabbit, &["clear_vhost_limits", "-p", "/"]).await;

    ctl(&rabbit, &["set_user_limits", "guest", r#"{"max-connections": 0}"#]).await;
    let error = Amqp::connect(&settings(&url)).await.unwrap_err();
    println!("max-connections of the user: {error}");
    let said = error.to_string();
    assert!(said.contains("`max-connections` of the user") && !said.contains("password"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_has_all_its_channels_stays_up() {
    let rabbit = Arc::new(blocking(|| RabbitMq::start_with("channel_max = 5\n").expect("a broker starts")).await);
    let amqp = connect_to(&rabbit.url()).await;
    let (error, mut consumed) = channels_run_out(&amqp).await;
    println!("channel_max: {error}");
    assert!(error.contains("`channel_max` of the broker"), "{error}");
    // What is consumed already goes on, on the same connection.
    let (queue, deliveries) = &mut consumed[0];
    amqp.publish(to_queue(queue, "{}")).await.unwrap();
    next(deliveries).await.ack();
    assert!(amqp.connections().iter().all(|connection| connection.reconnected.is_none()), "{:?}", amqp.connections());
    assert_eq!(*amqp.consuming().borrow(), ConnectionState::Up);
    amqp.close().await;
}

/// Consumes one queue after the other until that is refused.
async fn channels_run_out(amqp: &Amqp) -> (String, Vec<(Arc<str>, Deliveries)>) {
    let mut consumed = Vec::new();
    for _ in 0..10 {
        let queue = name("queue");
        if let Err(error) = amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Classic)])).await {
            return (error.to_string(), consumed);
        }
        match amqp.consume(Arc::clone(&queue), 1).await {
            Ok(deliveries) => consumed.push((queue, deliveries)),
            Err(error) => return (error.to_string(), consumed),
        }
    }
    panic!("{} consumers, and no limit", consumed.len());
}
