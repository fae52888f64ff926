//! Publishing to RabbitMQ.

use std::{sync::Arc, time::Duration};

use crate::amqp_support::{
    Observer, PATIENCE, connect, connect_to, eventually, exchange_and_queue, message, name, queues, settings,
    shared_url, to_queue, topic,
};
use bloodbank_amqp::Amqp;
use bloodbank_core::{
    ErrorKind,
    settings::QueueKind,
    transport::{
        ConnectionState, Consume, Publish, Topology, Transport,
        topology::{Binding, Queue},
    },
};
use futures_util::future::join_all;
use tokio::time::timeout;
use uuid::Uuid;

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_message_is_in_its_queue() {
    let amqp = connect().await;
    let (exchange, queue, topology) = exchange_and_queue(QueueKind::Quorum);
    amqp.declare(topology).await.unwrap();
    for _ in 0..10 {
        let published = amqp.publish(message(&exchange, "orders.order.placed", "{}")).await.unwrap();
        assert_eq!(published.unrouted, Some(false));
    }
    let observer = Observer::new().await;
    assert_eq!(observer.waiting(&queue).await, Some(10));
    observer.delete(&[&queue]).await;
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_queue_takes_is_reported_when_asked_for() {
    let amqp = connect().await;
    let exchange = name("exchange");
    amqp.declare(Topology::events(&exchange)).await.unwrap();
    let mandatory = message(&exchange, "orders.order.placed", "{}");
    let mut silent = mandatory.clone();
    silent.mandatory = false;
    assert_eq!(amqp.publish(mandatory).await.unwrap().unrouted, Some(true));
    assert_eq!(amqp.publish(silent).await.unwrap().unrouted, None);
    amqp.close().await;
}

/// lapin hands returned messages out with any confirm, and several publishers would get each other's confirms.
#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_get_their_own_answers() {
    const TASKS: usize = 20;
    const EACH: usize = 2_000;
    let amqp = Arc::new(connect().await);
    let exchange = name("exchange");
    let (quorum, classic) = (name("quorum"), name("classic"));
    // Confirms of the two queues overtake each other.
    let bind = |queue: &Arc<str>, pattern: &str| Binding {
        exchange: Arc::clone(&exchange),
        queue: Arc::clone(queue),
        pattern: pattern.into(),
    };
    amqp.declare(
        Topology::default()
            .exchanges([topic(&exchange)])
            .queues([
                Queue::new(Arc::clone(&quorum), QueueKind::Quorum),
                Queue::new(Arc::clone(&classic), QueueKind::Classic),
            ])
            .bindings([bind(&quorum, "slow.#"), bind(&classic, "fast.#")]),
    )
    .await
    .unwrap();
    let tasks = (0..TASKS).map(|task| {
        let (amqp, exchange) = (Arc::clone(&amqp), Arc::clone(&exchange));
        tokio::spawn(async move {
            let mut wrong = 0;
            for chunk in 0..EACH / 50 {
                let answers = (0..50).map(|n| {
                    let number = chunk * 50 + n;
                    let (key, unrouted) = match (number * 7 + task) % 5 {
                        0 => ("nobody.listens", true),
                        1 | 2 => ("slow.enough", false),
                        _ => ("fast.enough", false),
                    };
                    let publish = amqp.publish(message(&exchange, key, "{}"));
                    async move { publish.await.expect("the broker confirms").unrouted != Some(unrouted) }
                });
                wrong += join_all(answers).await.into_iter().filter(|wrong| *wrong).count();
            }
            wrong
        })
    });
    let wrong: usize = join_all(tasks).await.into_iter().map(|task| task.unwrap()).sum();
    assert_eq!(wrong, 0, "of {} answers", TASKS * EACH);
    let observer = Observer::new().await;
    let waiting = observer.waiting(&quorum).await.unwrap() + observer.waiting(&classic).await.unwrap();
    assert_eq!(waiting as usize, TASKS * EACH / 5 * 4);
    observer.delete(&[&quorum, &classic]).await;
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_published_twice_at_once_is_answered_twice() {
    let amqp = connect().await;
    let (exchange, queue, mut topology) = exchange_and_queue(QueueKind::Quorum);
    topology.bindings[0].pattern = "known.#".into();
    amqp.declare(topology).await.unwrap();
    let id = Some(Uuid::new_v4());
    let answers = (0..100).map(|n| {
        let unrouted = n % 2 == 0;
        let mut message = message(&exchange, if unrouted { "unknown.key" } else { "known.key" }, "{}");
        message.properties.message_id = id;
        let publish = amqp.publish(message);
        async move { (publish.await.unwrap().unrouted, unrouted) }
    });
    for (answer, unrouted) in join_all(answers).await {
        assert_eq!(answer, Some(unrouted));
    }
    Observer::new().await.delete(&[&queue]).await;
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_message_to_a_missing_exchange_fails() {
    let amqp = connect().await;
    let (exchange, queue, topology) = exchange_and_queue(QueueKind::Quorum);
    amqp.declare(topology).await.unwrap();
    let missing = name("missing");
    let answers = (0..300).map(|n| {
        let guilty = n % 100 == 50;
        let publish = amqp.publish(message(if guilty { &missing } else { &exchange }, "some.key", n.to_string()));
        async move { (guilty, timeout(PATIENCE, publish).await.expect("an answer")) }
    });
    for (guilty, answer) in join_all(answers).await {
        if guilty {
            let error = answer.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Topology);
            assert!(error.to_string().contains(&*missing), "{error}");
        } else {
            assert_eq!(answer.unwrap().unrouted, Some(false));
        }
    }
    assert_eq!(amqp.publish(message(&exchange, "some.key", "after")).await.unwrap().unrouted, Some(false));
    let observer = Observer::new().await;
    assert!(observer.waiting(&queue).await.unwrap() >= 298, "what was in flight may be there twice");
    observer.delete(&[&queue]).await;
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_exchange_is_declared_again() {
    let amqp = connect().await;
    let (exchange, queue, topology) = exchange_and_queue(QueueKind::Quorum);
    amqp.declare(topology).await.unwrap();
    let observer = Observer::new().await;
    let deleted = observer.channel().await.exchange_delete((&*exchange).into(), Default::default()).await;
    deleted.unwrap();
    let published = amqp.publish(message(&exchange, "some.key", "{}")).await.unwrap();
    assert_eq!(published.unrouted, Some(false), "the binding is there again too");
    observer.delete(&[&queue]).await;
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_order_of_one_caller_is_kept() {
    let amqp = connect().await;
    let (exchange, queue, topology) = exchange_and_queue(QueueKind::Classic);
    amqp.declare(topology).await.unwrap();
    // More than the window holds.
    let messages = (0..2_000).map(|n| message(&exchange, "some.key", n.to_string()));
    crate::amqp_support::publish_all(&amqp, messages).await;
    let mut deliveries = amqp.consume(Arc::clone(&queue), 100).await.unwrap();
    for n in 0..2_000 {
        let delivery = crate::amqp_support::next(&mut deliveries).await;
        assert_eq!(crate::amqp_support::body(&delivery), n.to_string());
        delivery.ack();
    }
    drop(deliveries);
    amqp.close().await;
    Observer::new().await.delete(&[&queue]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses() {
    let amqp = connect().await;
    let queue = name("queue");
    amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Classic).max_length(3)])).await.unwrap();
    for _ in 0..3 {
        amqp.publish(to_queue(&queue, "{}")).await.unwrap();
    }
    let error = amqp.publish(to_queue(&queue, "{}")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    Observer::new().await.delete(&[&queue]).await;
    amqp.close().await;
}

/// RabbitMQ refuses a message when one of its queues is full, and gives it to the others all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_message_is_at_most_twice_in_queues_that_take_it() {
    const MESSAGES: u32 = 50;
    let amqp = connect().await;
    let (exchange, healthy, topology) = exchange_and_queue(QueueKind::Classic);
    let full = name("full");
    let binding = Binding { exchange: Arc::clone(&exchange), queue: Arc::clone(&full), pattern: "#".into() };
    let topology =
        topology.queues([Queue::new(Arc::clone(&full), QueueKind::Classic).max_length(1)]).bindings([binding]);
    amqp.declare(topology).await.unwrap();
    amqp.publish(to_queue(&full, "{}")).await.unwrap();

    for n in 0..MESSAGES {
        let error = amqp.publish(message(&exchange, "some.key", n.to_string())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    }
    let observer = Observer::new().await;
    observer.waits(&healthy, 2 * MESSAGES).await;
    observer.delete(&[&healthy, &full]).await;
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_protocol_cannot_carry_is_an_error_before_the_wire() {
    let amqp = connect().await;
    let long = "x".repeat(256);
    let exchange = name("exchange");
    amqp.declare(Topology::events(&exchange)).await.unwrap();
    let error = amqp.publish(message(&exchange, &long, "{}")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidKey, "{error}");
    let error = amqp.publish(message(&long.as_str().into(), "key", "{}")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidKey, "{error}");
    let mut header = message(&exchange, "key", "{}");
    header.properties.headers.set(long.clone(), "value");
    let error = amqp.publish(header).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidHeader, "{error}");
    assert_eq!(amqp.publish(message(&exchange, "key", "{}")).await.unwrap().unrouted, Some(true));
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_on_a_closed_transport_is_an_error() {
    let amqp = connect().await;
    let queue = name("queue");
    amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Classic)])).await.unwrap();
    let (answers, ()) = tokio::join!(join_all((0..500).map(|_| amqp.publish(to_queue(&queue, "{}")))), amqp.close());
    let confirmed = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(confirmed, 500, "what was handed over before is flushed");
    let error = amqp.publish(to_queue(&queue, "{}")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    amqp.close().await;
    let observer = Observer::new().await;
    observer.waits(&queue, 500).await;
    observer.delete(&[&queue]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_gives_up_disturbs_nobody() {
    let amqp = Arc::new(connect().await);
    let (exchange, queue, topology) = exchange_and_queue(QueueKind::Quorum);
    amqp.declare(topology).await.unwrap();
    let answers = (0..1_000).map(|n| {
        let publish = amqp.publish(message(&exchange, "some.key", "{}"));
        let patience = if n % 2 == 0 { Duration::from_micros(n * 10) } else { PATIENCE };
        async move { (n, timeout(patience, publish).await) }
    });
    for (n, answer) in join_all(answers).await {
        match answer {
            Ok(answer) => assert_eq!(answer.unwrap().unrouted, Some(false)),
            Err(_) => assert_eq!(n % 2, 0, "only those that gave up have no answer"),
        }
    }
    Observer::new().await.delete(&[&queue]).await;
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_is_an_error_with_a_remedy() {
    let error = Amqp::connect(&settings("amqp://user:s3cret@127.0.0.1:1/%2f")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    let text = error.to_string();
    assert!(text.contains("amqp://user@127.0.0.1:1/"), "{text}");
    assert!(!text.contains("s3cret") && !format!("{error:?}").contains("s3cret"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_refuses_us_is_an_error_at_once() {
    let url = shared_url().await;
    let begin = std::time::Instant::now();
    let wrong_password = Amqp::connect(&settings(&url.replace("guest:guest", "guest:s3cret"))).await.unwrap_err();
    assert_eq!(wrong_password.kind(), ErrorKind::Settings, "{wrong_password}");
    let text = wrong_password.to_string();
    assert!(text.contains("refuses user `guest`") && !text.contains("s3cret"), "{text}");
    let wrong_host = Amqp::connect(&settings(&url.replace("%2f", "nowhere"))).await.unwrap_err();
    assert_eq!(wrong_host.kind(), ErrorKind::Settings, "{wrong_host}");
    assert!(wrong_host.to_string().contains("nowhere"), "{wrong_host}");
    assert!(begin.elapsed() < Duration::from_secs(8), "not tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_the_connections_can_be_seen() {
    let url = shared_url().await;
    let amqp = connect_to(&url).await;
    assert_eq!(*amqp.publishing().borrow(), ConnectionState::Up);
    assert_eq!(*amqp.consuming().borrow(), ConnectionState::Up);
    assert_eq!(amqp.system(), "rabbitmq");
    amqp.close().await;
    eventually("both are down", || async {
        *amqp.publishing().borrow() == ConnectionState::Down && *amqp.consuming().borrow() == ConnectionState::Down
    })
    .await;
}
