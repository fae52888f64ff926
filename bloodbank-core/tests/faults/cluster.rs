//! A cluster loses nodes, and one queue of several is not available.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::amqp_support::{PATIENCE, blocking, connect_to, eventually, name, queues, to_queue};
use bloodbank_amqp::Amqp;
use bloodbank_core::{
    settings::QueueKind,
    transport::{Consume, Publish, Transport, topology::Queue},
};
use bloodbank_harness::{Cluster, HarnessError};
use futures_util::StreamExt;
use lapin::{
    Connection, ConnectionProperties,
    options::QueueDeclareOptions,
    types::{AMQPValue, FieldTable},
};
use tokio::time::timeout;

async fn with(cluster: &Arc<Cluster>, work: impl FnOnce(&Cluster) -> Result<(), HarnessError> + Send + 'static) {
    let cluster = Arc::clone(cluster);
    blocking(move || work(&cluster).expect("the cluster obeys")).await;
}

/// A quorum queue on one node alone.
async fn queue_on_one_node(url: &str) -> Arc<str> {
    let queue = name("alone");
    let connection = Connection::connect(url, ConnectionProperties::default()).await.unwrap();
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-quorum-initial-group-size".into(), AMQPValue::LongInt(1));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let channel = connection.create_channel().await.unwrap();
    channel.queue_declare((*queue).into(), options, arguments).await.unwrap();
    connection.close(200, "done".into()).await.unwrap();
    queue
}

/// Publishes a number until the broker has it; returns how often it was refused.
async fn publish(amqp: &Amqp, queue: &str, number: usize) -> usize {
    let mut refused = 0;
    loop {
        match timeout(PATIENCE, amqp.publish(to_queue(queue, number.to_string()))).await.expect("an answer") {
            Ok(published) => {
                assert_eq!(published.unrouted, Some(false));
                return refused;
            }
            Err(error) => assert!(error.is_retryable(), "worth another try: {error:?}"),
        }
        refused += 1;
    }
}

/// The numbers in a queue, all of them, each once or more often.
async fn all(amqp: &Amqp, queue: &Arc<str>, numbers: usize) -> usize {
    let mut deliveries = amqp.consume(Arc::clone(queue), 100).await.unwrap();
    let (mut seen, mut received) = (BTreeSet::new(), 0);
    while seen.len() < numbers {
        let delivery = timeout(PATIENCE, deliveries.next()).await.expect("nothing is lost").unwrap();
        seen.insert(std::str::from_utf8(&delivery.message.body).unwrap().parse::<usize>().unwrap());
        received += 1;
        delivery.ack();
    }
    assert!(seen.into_iter().eq(0..numbers), "nothing is invented");
    received
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_loses_nodes_and_no_message() {
    let cluster = Arc::new(blocking(|| Cluster::start(3).expect("a cluster starts")).await);
    let alone = queue_on_one_node(&cluster.nodes()[2].url()).await;
    // The publisher stays on the first node at first.
    let amqp = Arc::new(connect_to(&cluster.nodes()[0].url()).await);
    let queue = name("queue");
    amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Quorum)])).await.unwrap();
    for number in 0..10 {
        publish(&amqp, &alone, number).await;
        publish(&amqp, &queue, number).await;
    }

    // One queue has no leader any more: its messages wait, all others do not.
    with(&cluster, |cluster| cluster.nodes()[2].kill()).await;
    let confirmed = Arc::new(AtomicUsize::new(10));
    let stuck: Vec<_> = (10..30)
        .map(|number| {
            let (amqp, alone, confirmed) = (Arc::clone(&amqp), Arc::clone(&alone), Arc::clone(&confirmed));
            tokio::spawn(async move {
                publish(&amqp, &alone, number).await;
                confirmed.fetch_add(1, Ordering::SeqCst);
            })
        })
        .collect();
    let mut longest = Duration::ZERO;
    for number in 10..1_000 {
        let begun = Instant::now();
        publish(&amqp, &queue, number).await;
        longest = longest.max(begun.elapsed());
    }
    println!("one queue unavailable: the longest wait of an event for another one is {longest:?}");
    assert_eq!(confirmed.load(Ordering::SeqCst), 10, "the queue was not available all the time");
    with(&cluster, |cluster| cluster.nodes()[2].start_again()).await;
    for publishing in stuck {
        timeout(PATIENCE, publishing).await.expect("they are confirmed when the queue is back").unwrap();
    }
    println!("{} of 30 messages arrived at the queue that was away", all(&amqp, &alone, 30).await);
    println!("{} of 1,000 messages arrived at the other one", all(&amqp, &queue, 1_000).await);
    amqp.close().await;

    // The publisher's node is cut off from the others, then killed; then each other one.
    let amqp = Arc::new(connect_to(&cluster.urls()).await);
    let queue = name("queue");
    amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Quorum)])).await.unwrap();
    let (published, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let publishing = {
        let (amqp, queue) = (Arc::clone(&amqp), Arc::clone(&queue));
        let (published, stop) = (Arc::clone(&published), Arc::clone(&stop));
        tokio::spawn(async move {
            let (mut refused, mut longest) = (0, Duration::ZERO);
            while !stop.load(Ordering::SeqCst) {
                let begun = Instant::now();
                refused += publish(&amqp, &queue, published.load(Ordering::SeqCst)).await;
                published.fetch_add(1, Ordering::SeqCst);
                longest = longest.max(begun.elapsed());
            }
            (refused, longest)
        })
    };
    let goes_on = async || {
        let now = published.load(Ordering::SeqCst);
        eventually("publishing goes on", || async { published.load(Ordering::SeqCst) > now + 200 }).await;
    };
    goes_on().await;
    for node in 0..3 {
        with(&cluster, move |cluster| cluster.isolate(node)).await;
        goes_on().await;
        with(&cluster, move |cluster| cluster.heal(node).and_then(|()| cluster.until_running(3))).await;
        with(&cluster, move |cluster| cluster.nodes()[node].kill()).await;
        goes_on().await;
        with(&cluster, move |cluster| cluster.nodes()[node].start_again().and_then(|()| cluster.until_running(3)))
            .await;
    }
    stop.store(true, Ordering::SeqCst);
    let (refused, longest) = timeout(PATIENCE, publishing).await.expect("the publisher ends").unwrap();
    let total = published.load(Ordering::SeqCst);
    println!("{total} messages through six faults: {refused} times refused, the longest wait {longest:?}");
    println!("{} arrived", all(&amqp, &queue, total).await);
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_cannot_be_consumed_leaves_the_other_subscribers_alone() {
    let cluster = Arc::new(blocking(|| Cluster::start(3).expect("a cluster starts")).await);
    let alone = queue_on_one_node(&cluster.nodes()[2].url()).await;
    let amqp = Arc::new(connect_to(&cluster.nodes()[0].url()).await);
    let queue = name("queue");
    amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), QueueKind::Quorum)])).await.unwrap();
    let mut of_queue = amqp.consume(Arc::clone(&queue), 10).await.unwrap();
    with(&cluster, |cluster| cluster.nodes()[2].kill()).await;

    let mut of_alone = amqp.consume(Arc::clone(&alone), 10).await.expect("the others need not wait for it");
    let of_alone = tokio::spawn(async move {
        let delivery = of_alone.next().await.expect("it is consumed when the queue is back");
        let body = delivery.message.body.clone();
        delivery.ack();
        body
    });
    // Long enough for the queue to be tried many times.
    let (begun, mut number, mut again) = (Instant::now(), 0, 0);
    while begun.elapsed() < Duration::from_secs(20) {
        publish(&amqp, &queue, number).await;
        let mut is_there = false;
        while !is_there {
            let delivery = timeout(PATIENCE, of_queue.next()).await.expect("it goes on").unwrap();
            again += usize::from(delivery.redelivered);
            is_there = delivery.message.body == number.to_string();
            delivery.ack();
        }
        number += 1;
    }
    // Looking into it costs the subscribers nothing either.
    let lost = amqp.connections()[1].reconnected.expect("the queue ended the connection before it got its own");
    let Err(refused) = amqp.browse(Arc::clone(&alone)).await else { panic!("the queue is not available") };
    assert!(refused.to_string().contains(&*alone), "{refused}");
    assert!(amqp.connections()[1].reconnected > Some(lost), "looking into the queue ended the connection of all");

    println!("{number} messages of the healthy queue, {again} of them delivered again");
    assert!(again <= 2 * 10, "{again} of {number} messages were delivered again: the connection was lost too often");
    let troubles = amqp.troubles();
    assert!(matches!(&troubles[..], [trouble] if trouble.contains(&*alone)), "{troubles:?}");

    with(&cluster, |cluster| cluster.nodes()[2].start_again()).await;
    publish(&amqp, &alone, 7).await;
    assert_eq!(timeout(PATIENCE, of_alone).await.expect("the queue is consumed again").unwrap(), "7");
    assert_eq!(amqp.troubles(), Vec::<String>::new());
    amqp.close().await;
}
