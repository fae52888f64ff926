//! What RabbitMQ makes of our exchanges and queues.

use std::{sync::Arc, time::Duration};

use crate::amqp_support::{
    Observer, body, connect, default_exchange, eventually, message, name, next, queues, to_queue,
};
use bloodbank_amqp::Amqp;
use bloodbank_core::{
    ErrorKind,
    settings::QueueKind,
    transport::{
        Consume, Publish, Topology, Transport,
        topology::{Binding, Exchange, ExchangeKind, LADDER, Queue, dead_letter_queue, rung_name},
    },
};
use lapin::options::ExchangeDeleteOptions;

/// A rung of the ladder with a name of its own: a fanout exchange and a queue that gives up everything after `delay`.
fn rung(name: &Arc<str>, kind: QueueKind, delay: Duration) -> Topology {
    Topology::default()
        .exchanges([Exchange { name: Arc::clone(name), kind: ExchangeKind::Fanout }])
        .queues([Queue::new(Arc::clone(name), kind).dead_letter(default_exchange(None)).message_ttl(delay)])
        .bindings([Binding { exchange: Arc::clone(name), queue: Arc::clone(name), pattern: "".into() }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delay_brings_a_message_back_to_its_queue_alone() {
    for kind in [QueueKind::Quorum, QueueKind::Classic] {
        let amqp = connect().await;
        let (mine, other, rung_name) = (name("mine"), name("other"), name("rung"));
        let delay = Duration::from_millis(300);
        amqp.declare(queues(vec![Queue::new(Arc::clone(&mine), kind), Queue::new(Arc::clone(&other), kind)]))
            .await
            .unwrap();
        amqp.declare(rung(&rung_name, kind, delay)).await.unwrap();
        let mut deliveries = amqp.consume(Arc::clone(&mine), 10).await.unwrap();
        let sent = std::time::Instant::now();
        for n in 0..20 {
            let published = amqp.publish(message(&rung_name, &mine, n.to_string())).await.unwrap();
            assert_eq!(published.unrouted, Some(false));
        }
        for n in 0..20 {
            let delivery = next(&mut deliveries).await;
            assert!(sent.elapsed() >= delay);
            assert_eq!(body(&delivery), n.to_string());
            assert_eq!(&*delivery.message.routing_key, &*mine);
            delivery.ack();
        }
        let observer = Observer::new().await;
        observer.waits(&rung_name, 0).await;
        assert_eq!(observer.waiting(&other).await, Some(0));
        observer.delete(&[&mine, &other, &rung_name]).await;
        let channel = observer.channel().await;
        let deleted = channel.exchange_delete((&*rung_name).into(), ExchangeDeleteOptions::default());
        deleted.await.unwrap();
        amqp.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_s_topology_works_on_this_broker() {
    for kind in [QueueKind::Quorum, QueueKind::Classic] {
        let amqp = connect().await;
        let (exchange, queue) = (name("events"), name("shop.ship"));
        let topology = Topology::subscriber(&exchange, &queue, kind, &["orders.#".into()]);
        // Twice: what exists is no conflict.
        amqp.declare(topology.clone()).await.unwrap();
        amqp.declare(topology).await.unwrap();
        let observer = Observer::new().await;
        for delay in LADDER {
            assert!(observer.waiting(&rung_name(kind, delay)).await.is_some());
        }
        let mut deliveries = amqp.consume(Arc::clone(&queue), 10).await.unwrap();
        let event = message(&exchange, "orders.order.placed", "{}");
        assert_eq!(amqp.publish(event.clone()).await.unwrap().unrouted, Some(false));
        next(&mut deliveries).await.reject(false);
        observer.waits(&dead_letter_queue(&queue), 1).await;
        amqp.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_shows_both_sides_and_the_remedy() {
    let amqp = connect().await;
    let queue = name("queue");
    let with_ttl = |seconds| {
        queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Classic).message_ttl(Duration::from_secs(seconds))])
    };
    amqp.declare(with_ttl(1)).await.unwrap();
    let error = amqp.declare(with_ttl(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    let text = error.to_string();
    for part in [&*queue, "`x-message-ttl`", "has `1000`", "declares `2000`", "delete it on the broker"] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    let plain = name("plain");
    let of_kind = |kind| queues(vec![Queue::new(Arc::clone(&plain), kind)]);
    amqp.declare(of_kind(QueueKind::Classic)).await.unwrap();
    let text = amqp.declare(of_kind(QueueKind::Quorum)).await.unwrap_err().to_string();
    assert!(text.contains("x-queue-type"), "{text}");
    let exchange = name("exchange");
    let of_kind = |kind| Topology::default().exchanges([Exchange { name: Arc::clone(&exchange), kind }]);
    amqp.declare(of_kind(ExchangeKind::Topic)).await.unwrap();
    let text = amqp.declare(of_kind(ExchangeKind::Fanout)).await.unwrap_err().to_string();
    for part in [&*exchange, "has `topic`", "declares `fanout`"] {
        assert!(text.contains(part), "{text} lacks {part}");
    }
    // The transport goes on, and does not remember what failed.
    amqp.publish(to_queue(&queue, "{}")).await.unwrap();
    Observer::new().await.delete(&[&queue, &plain]).await;
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_to_nothing_is_an_error() {
    let amqp = connect().await;
    let queue = name("queue");
    let error = amqp
        .declare(Topology::default().queues([Queue::new(Arc::clone(&queue), QueueKind::Classic)]).bindings([Binding {
            exchange: name("nowhere"),
            queue: Arc::clone(&queue),
            pattern: "#".into(),
        }]))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    assert!(error.to_string().contains("nowhere"), "{error}");
    Observer::new().await.delete(&[&queue]).await;
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_for_answers_goes_with_its_connection() {
    let amqp: Amqp = connect().await;
    let queue = name("answers");
    amqp.declare(Topology::replies(&queue)).await.unwrap();
    let mut answers = amqp.consume(Arc::clone(&queue), 10).await.unwrap();
    assert_eq!(amqp.publish(to_queue(&queue, "pong")).await.unwrap().unrouted, Some(false));
    let answer = next(&mut answers).await;
    assert_eq!(body(&answer), "pong");
    answer.ack();
    let stranger = connect().await;
    let error = stranger.declare(Topology::replies(&queue)).await.unwrap_err();
    assert!(error.to_string().contains("belongs to another connection"), "{error}");
    amqp.close().await;
    let observer = Observer::new().await;
    eventually("the queue is gone", || async { observer.waiting(&queue).await.is_none() }).await;
    stranger.close().await;
}
