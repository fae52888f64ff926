//! Classic queues on a cluster: a node that is down takes the bindings of its queues along.

use std::{sync::Arc, time::Duration};

use crate::amqp_support::{blocking, body, eventually, message, name, next, settings, topic};
use bloodbank_amqp::Amqp;
use bloodbank_core::{
    ErrorKind, Settings,
    settings::QueueKind,
    transport::{
        Consume, Publish, Topology, Transport,
        topology::{Binding, Queue},
    },
};
use bloodbank_harness::Cluster;

async fn connect(url: &str, kind: QueueKind) -> Amqp {
    let mut settings: Settings = settings(url);
    (settings.queue_kind, settings.exchange_name) = (kind, "events".to_owned());
    Amqp::connect(&settings).await.expect("the cluster answers")
}

fn of(exchange: &Arc<str>, queue: &Arc<str>, pattern: &str) -> Topology {
    let binding = Binding { exchange: Arc::clone(exchange), queue: Arc::clone(queue), pattern: pattern.into() };
    let queue = Queue::new(Arc::clone(queue), QueueKind::Classic);
    Topology::default().exchanges([topic(exchange)]).queues([queue]).bindings([binding])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_classic_queue_would_have_got_is_refused_while_its_node_is_down() {
    let cluster = Arc::new(blocking(|| Cluster::start(3).expect("a cluster starts")).await);
    let (exchange, queue): (Arc<str>, _) = ("events".into(), name("classic"));
    // A classic queue lives on the node of whoever declares it.
    let there = connect(&cluster.nodes()[2].url(), QueueKind::Classic).await;
    there.declare(of(&exchange, &queue, "orders.#")).await.unwrap();
    let urls = format!("{},{}", cluster.nodes()[0].url(), cluster.nodes()[1].url());
    let classic = connect(&urls, QueueKind::Classic).await;
    // One that knows of no cluster, and one whose queues are others.
    let others =
        [connect(&cluster.nodes()[0].url(), QueueKind::Classic).await, connect(&urls, QueueKind::Quorum).await];
    let order = |text: &str| message(&exchange, "orders.order.placed", text.to_owned());
    for number in 0..10 {
        assert_eq!(classic.publish(order(&number.to_string())).await.unwrap().unrouted, Some(false));
    }
    for other in &others {
        other.publish(order("other")).await.unwrap();
    }
    there.close().await;
    let down = Arc::clone(&cluster);
    blocking(move || down.nodes()[2].kill().expect("it dies")).await;

    let mut refused = None;
    eventually("the key is refused", || async { classic.publish(order("lost")).await.is_err() }).await;
    for number in 0..20 {
        match classic.publish(order(&format!("down-{number}"))).await {
            Err(error) => refused = Some(error),
            Ok(published) => println!("while the node is down: {published:?}"),
        }
    }
    let refused = refused.expect("nothing is taken for published that reaches nobody");
    println!("{refused}");
    assert_eq!(refused.kind(), ErrorKind::Refused);
    assert!(refused.is_retryable());
    let said = refused.to_string();
    // RabbitMQ 4 keeps the bindings, and refuses by itself.
    let is_refused_by_broker = said.contains("a queue it goes to is full or not available");
    for part in ["`orders.order.placed`", "`events`", "the node of its classic queue is down", "restart this program"] {
        assert!(is_refused_by_broker || said.contains(part), "{said} lacks {part}");
    }
    // What never had a subscriber is unrouted, as ever; so is everything for whoever cannot know of the cluster.
    let nobody = || message(&exchange, "billing.invoice.sent", "{}");
    assert_eq!(classic.publish(nobody()).await.unwrap().unrouted, Some(true));
    for other in &others {
        match other.publish(order("other")).await {
            Ok(published) => assert!(!is_refused_by_broker && published.unrouted == Some(true), "{published:?}"),
            Err(error) => assert!(is_refused_by_broker, "{error}"),
        }
        other.close().await;
    }

    let up = Arc::clone(&cluster);
    blocking(move || up.nodes()[2].start_again().and_then(|()| up.until_running(3)).expect("it starts")).await;
    eventually("the key has its route again", || async {
        classic.publish(order("back")).await.is_ok_and(|published| published.unrouted == Some(false))
    })
    .await;
    let mut deliveries = classic.consume(Arc::clone(&queue), 100).await.unwrap();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "back") {
        let delivery = next(&mut deliveries).await;
        seen.push(body(&delivery));
        delivery.ack();
    }
    assert_eq!(seen[..10], (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(!seen.iter().any(|body| body.starts_with("down")), "{seen:?}");
    classic.close().await;
}

/// Where a subscriber is removed on a cluster that is well, the key is refused too: the broker says the same of both.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_is_missed_by_whoever_published_to_it_and_by_nobody_else() {
    let cluster = Arc::new(blocking(|| Cluster::start(2).expect("a cluster starts")).await);
    let (exchange, queue): (Arc<str>, _) = ("events".into(), name("classic"));
    let classic = connect(&cluster.urls(), QueueKind::Classic).await;
    classic.declare(of(&exchange, &queue, "orders.#")).await.unwrap();
    let order = || message(&exchange, "orders.order.placed", "{}");
    assert_eq!(classic.publish(order()).await.unwrap().unrouted, Some(false));
    let (node, deleted) = (Arc::clone(&cluster), Arc::clone(&queue));
    blocking(move || node.nodes()[0].ctl(&["delete_queue", &deleted]).expect("it is deleted")).await;
    let refused = classic.publish(order()).await.unwrap_err();
    assert!(refused.to_string().contains("or the queue was deleted"), "{refused}");
    let restarted = connect(&cluster.urls(), QueueKind::Classic).await;
    assert_eq!(restarted.publish(order()).await.unwrap().unrouted, Some(true));
    // Other keys are not held up by one that is refused.
    let other = name("other");
    classic.declare(of(&exchange, &other, "billing.#")).await.unwrap();
    let (begun, refusing) = (std::time::Instant::now(), order());
    let (refused, billed) =
        tokio::join!(classic.publish(refusing), classic.publish(message(&exchange, "billing.invoice.sent", "{}")));
    assert!(refused.is_err());
    assert_eq!(billed.unwrap().unrouted, Some(false));
    println!("both answers within {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(30));
    for amqp in [classic, restarted] {
        amqp.close().await;
    }
}
