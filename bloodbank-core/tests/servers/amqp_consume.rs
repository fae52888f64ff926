//! Consuming from RabbitMQ.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use crate::amqp_support::{
    Observer, PATIENCE, body, connect, default_exchange, eventually, name, next, publish_all, queues, to_queue,
};
use bloodbank_core::{
    ErrorKind,
    message::HeaderValue,
    settings::QueueKind,
    transport::{Consume, Deliveries, Delivery, Publish, Topology, Transport, topology::Queue},
};
use bytes::Bytes;
use chrono::DateTime;
use futures_util::StreamExt;
use lapin::{
    BasicProperties,
    options::BasicPublishOptions,
    types::{AMQPValue, FieldArray, FieldTable},
};
use tokio::time::timeout;
use uuid::Uuid;

async fn queue_of(amqp: &impl Consume, kind: QueueKind) -> Arc<str> {
    let queue = name("queue");
    amqp.declare(queues(vec![Queue::new(Arc::clone(&queue), kind)])).await.expect("a new queue can be declared");
    queue
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_as_it_was_sent() {
    let amqp = connect().await;
    let queue = queue_of(&amqp, QueueKind::Quorum).await;
    let mut sent = to_queue(&queue, r#"{"a":1}"#);
    sent.properties.correlation_id = Some(Uuid::new_v4());
    sent.properties.event_type = Some("orders.order.placed".into());
    sent.properties.timestamp = DateTime::from_timestamp(1_700_000_000, 0);
    sent.properties.app_id = Some("shop".into());
    sent.properties.reply_to = Some("answers".into());
    sent.properties.expiration = Some(Duration::from_secs(3_600));
    sent.properties.headers.set("traceparent", "00-abc");
    sent.properties.headers.set("bloodbank-attempt", 3_u32);
    sent.properties.headers.set("bloodbank-final", true);
    amqp.publish(sent.clone()).await.unwrap();
    let mut deliveries = amqp.consume(Arc::clone(&queue), 10).await.unwrap();
    let delivery = next(&mut deliveries).await;
    assert!(!delivery.redelivered);
    let got = &delivery.message;
    assert_eq!((&*got.exchange, &*got.routing_key), ("", &*queue));
    assert_eq!(got.body, sent.body);
    let (got, sent) = (&got.properties, &sent.properties);
    assert_eq!(got.message_id, sent.message_id);
    assert_eq!(got.correlation_id, sent.correlation_id);
    assert_eq!(got.event_type, sent.event_type);
    assert_eq!(got.timestamp, sent.timestamp);
    assert_eq!(got.app_id, sent.app_id);
    assert_eq!(got.reply_to, sent.reply_to);
    assert_eq!(got.expiration, sent.expiration);
    for (name, value) in sent.headers.iter() {
        assert_eq!(got.headers.get(name), Some(value), "{name}");
    }
    delivery.ack();
    amqp.close().await;
    let observer = Observer::new().await;
    assert_eq!(observer.waiting(&queue).await, Some(0));
    observer.delete(&[&queue]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_messages_are_tolerated() {
    let amqp = connect().await;
    let queue = queue_of(&amqp, QueueKind::Classic).await;
    let mut headers = FieldTable::default();
    headers.insert("list".into(), AMQPValue::FieldArray(FieldArray::default()));
    headers.insert("float".into(), AMQPValue::Double(0.5));
    headers.insert("bytes".into(), AMQPValue::ByteArray(vec![0xff, 0xfe].into()));
    headers.insert("small".into(), AMQPValue::ShortShortInt(-1));
    let properties = BasicProperties::default().with_message_id("order 17".into()).with_headers(headers);
    let observer = Observer::new().await;
    let channel = observer.channel().await;
    let publish = async |body: &[u8], properties| {
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), (&*queue).into(), options, body, properties).await.unwrap();
    };
    publish(b"\xff\x00", properties).await;
    publish(b"", BasicProperties::default()).await;
    let mut deliveries = amqp.consume(Arc::clone(&queue), 10).await.unwrap();
    let first = next(&mut deliveries).await;
    assert_eq!(first.message.body, Bytes::from_static(b"\xff\x00"));
    assert_eq!(first.message.properties.message_id, None);
    let headers = &first.message.properties.headers;
    assert_eq!(headers.get("small"), Some(&HeaderValue::Integer(-1)));
    assert_eq!(headers.get("float"), Some(&HeaderValue::Float(0.5)));
    assert_eq!(headers.get("list"), Some(&HeaderValue::List(Vec::new())));
    assert_eq!(headers.get("bytes"), Some(&HeaderValue::Bytes(Bytes::from_static(&[0xff, 0xfe]))));
    let foreign = first.message.properties.foreign.as_ref().unwrap();
    assert_eq!(foreign.message_id.as_deref(), Some("order 17"));
    let second = next(&mut deliveries).await;
    assert!(second.message.body.is_empty());
    first.ack();
    second.ack();
    amqp.close().await;
    observer.delete(&[&queue]).await;
}

/// The acknowledgement of many must take none along that is not settled, and leave none out that is.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_out_of_order_are_exact() {
    const COUNT: usize = 3_000;
    for kind in [QueueKind::Quorum, QueueKind::Classic] {
        let amqp = connect().await;
        let queue = queue_of(&amqp, kind).await;
        publish_all(&amqp, (0..COUNT).map(|n| to_queue(&queue, n.to_string()))).await;
        let mut deliveries = amqp.consume(Arc::clone(&queue), 500).await.unwrap();
        let mut settled = BTreeSet::new();
        let mut handlers = tokio::task::JoinSet::new();
        // One in a hundred is never settled: it must come back.
        let mut kept = Vec::new();
        while settled.len() + kept.len() < COUNT {
            let delivery = next(&mut deliveries).await;
            let number: usize = body(&delivery).parse().unwrap();
            if number % 100 == 99 {
                kept.push((number, delivery));
                continue;
            }
            settled.insert(number);
            let pause = Duration::from_micros((number as u64 * 7_919) % 3_000);
            handlers.spawn(async move {
                tokio::time::sleep(pause).await;
                delivery.ack();
            });
        }
        handlers.join_all().await;
        drop(deliveries);
        amqp.close().await;
        let observer = Observer::new().await;
        observer.waits(&queue, u32::try_from(kept.len()).unwrap()).await;
        let amqp = connect().await;
        let mut deliveries = amqp.consume(Arc::clone(&queue), 500).await.unwrap();
        let mut back = BTreeSet::new();
        while back.len() < kept.len() {
            let delivery = next(&mut deliveries).await;
            assert!(delivery.redelivered);
            back.insert(body(&delivery).parse::<usize>().unwrap());
            delivery.ack();
        }
        assert_eq!(back, kept.iter().map(|(number, _)| *number).collect());
        amqp.close().await;
        assert_eq!(observer.waiting(&queue).await, Some(0));
        observer.delete(&[&queue]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_slow_delivery_does_not_hold_up_the_others() {
    let amqp = connect().await;
    let queue = queue_of(&amqp, QueueKind::Quorum).await;
    publish_all(&amqp, (0..200).map(|n| to_queue(&queue, n.to_string()))).await;
    let mut deliveries = amqp.consume(Arc::clone(&queue), 4).await.unwrap();
    let slow = next(&mut deliveries).await;
    for _ in 1..200 {
        next(&mut deliveries).await.ack();
    }
    slow.ack();
    amqp.close().await;
    let observer = Observer::new().await;
    assert_eq!(observer.waiting(&queue).await, Some(0));
    observer.delete(&[&queue]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_prefetch_one_no_acknowledgement_holds_up_the_next() {
    let amqp = connect().await;
    let queue = queue_of(&amqp, QueueKind::Classic).await;
    publish_all(&amqp, (0..500).map(|n| to_queue(&queue, n.to_string()))).await;
    let mut deliveries = amqp.consume(Arc::clone(&queue), 1).await.unwrap();
    for n in 0..500 {
        let delivery = next(&mut deliveries).await;
        assert_eq!(body(&delivery), n.to_string());
        delivery.ack();
    }
    amqp.close().await;
    Observer::new().await.delete(&[&queue]).await;
}

/// The deliveries that come while none is acknowledged.
async fn sent_ahead(deliveries: &mut Deliveries) -> Vec<Delivery> {
    let mut held = Vec::new();
    while let Ok(delivery) = timeout(Duration::from_millis(500), deliveries.next()).await {
        held.push(delivery.expect("the stream goes on"));
    }
    held
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_quick_gets_more_ahead_and_each_message_once_in_order() {
    const MESSAGES: usize = 4_000;
    let amqp = connect().await;
    for kind in [QueueKind::Classic, QueueKind::Quorum] {
        let queue = queue_of(&amqp, kind).await;
        publish_all(&amqp, (0..MESSAGES).map(|n| to_queue(&queue, n.to_string()))).await;
        let mut deliveries = amqp.consume_ahead(Arc::clone(&queue), 16, 200).await.unwrap();
        let mut number = 0;
        let mut settle = |delivery: Delivery| {
            assert_eq!((body(&delivery), delivery.redelivered), (number.to_string(), false));
            number += 1;
            delivery.ack();
        };
        let held = sent_ahead(&mut deliveries).await;
        assert_eq!(held.len(), 16, "nothing is known of it at first");
        held.into_iter().for_each(&mut settle);
        // On a busy machine it is not quick at once.
        loop {
            for _ in 0..200 {
                settle(next(&mut deliveries).await);
            }
            let held = sent_ahead(&mut deliveries).await;
            let ahead = held.len();
            held.into_iter().for_each(&mut settle);
            if ahead == 200 {
                break;
            }
            assert_eq!(ahead, 16);
        }
        drop(deliveries);
        Observer::new().await.delete(&[&queue]).await;
    }
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_message_goes_back_or_where_the_queue_sends_it() {
    let amqp = connect().await;
    let (queue, parked) = (name("queue"), name("parked"));
    for kind in [QueueKind::Quorum, QueueKind::Classic] {
        let (queue, parked) = (format!("{queue}.{kind:?}"), format!("{parked}.{kind:?}"));
        let topology = queues(vec![
            Queue::new(parked.as_str(), kind),
            Queue::new(queue.as_str(), kind).dead_letter(default_exchange(Some(&parked))).delivery_limit(20),
        ]);
        amqp.declare(topology).await.unwrap();
        amqp.publish(to_queue(&queue, "once more")).await.unwrap();
        let mut deliveries = amqp.consume(queue.as_str().into(), 10).await.unwrap();
        let first = next(&mut deliveries).await;
        assert!(!first.redelivered);
        first.reject(true);
        let second = next(&mut deliveries).await;
        assert!(second.redelivered);
        // Dropped unsettled is rejected and requeued.
        drop(second);
        let third = next(&mut deliveries).await;
        third.reject(false);
        let mut parked_ones = amqp.consume(parked.as_str().into(), 10).await.unwrap();
        let parked_one = next(&mut parked_ones).await;
        assert_eq!(body(&parked_one), "once more");
        parked_one.ack();
        drop((deliveries, parked_ones));
        let observer = Observer::new().await;
        observer.waits(&queue, 0).await;
        observer.delete(&[&queue, &parked]).await;
    }
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_delivered_too_often_is_parked() {
    let amqp = connect().await;
    let (queue, parked) = (name("queue"), name("parked"));
    amqp.declare(queues(vec![
        Queue::new(Arc::clone(&parked), QueueKind::Quorum),
        Queue::new(Arc::clone(&queue), QueueKind::Quorum)
            .dead_letter(default_exchange(Some(&parked)))
            .delivery_limit(3),
    ]))
    .await
    .unwrap();
    publish_all(&amqp, [to_queue(&queue, "poison"), to_queue(&queue, "good")]).await;
    let mut deliveries = amqp.consume(Arc::clone(&queue), 10).await.unwrap();
    let mut parked_ones = amqp.consume(Arc::clone(&parked), 10).await.unwrap();
    let mut poisoned = 0;
    let parked_one = loop {
        tokio::select! {
            delivery = next(&mut deliveries) => if body(&delivery) == "poison" {
                poisoned += 1;
                delivery.reject(true);
            } else {
                delivery.ack();
            },
            parked_one = next(&mut parked_ones) => break parked_one,
        }
    };
    assert_eq!(body(&parked_one), "poison");
    assert_eq!(poisoned, 4, "the first delivery and three more");
    parked_one.ack();
    amqp.close().await;
    Observer::new().await.delete(&[&queue, &parked]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_stream_gives_back_what_was_not_handed_out() {
    let amqp = connect().await;
    let queue = queue_of(&amqp, QueueKind::Quorum).await;
    publish_all(&amqp, (0..100).map(|n| to_queue(&queue, n.to_string()))).await;
    let mut deliveries = amqp.consume(Arc::clone(&queue), 100).await.unwrap();
    let in_hand: Vec<Delivery> = vec![next(&mut deliveries).await, next(&mut deliveries).await];
    drop(deliveries);
    // While two are still being handled, the others are free for another consumer.
    let observer = Observer::new().await;
    observer.waits(&queue, 98).await;
    for delivery in in_hand {
        delivery.ack();
    }
    let mut deliveries = amqp.consume(Arc::clone(&queue), 100).await.unwrap();
    let mut numbers = BTreeSet::new();
    while numbers.len() < 98 {
        let delivery = next(&mut deliveries).await;
        numbers.insert(body(&delivery).parse::<usize>().unwrap());
        delivery.ack();
    }
    assert_eq!(numbers, (2..100).collect());
    amqp.close().await;
    assert_eq!(observer.waiting(&queue).await, Some(0));
    observer.delete(&[&queue]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_ends_the_stream_and_writes_the_acknowledgements() {
    let amqp = connect().await;
    let queue = queue_of(&amqp, QueueKind::Quorum).await;
    publish_all(&amqp, (0..100).map(|n| to_queue(&queue, n.to_string()))).await;
    let mut deliveries = amqp.consume(Arc::clone(&queue), 50).await.unwrap();
    for _ in 0..30 {
        next(&mut deliveries).await.ack();
    }
    amqp.close().await;
    assert!(timeout(PATIENCE, deliveries.next()).await.unwrap().is_none());
    let observer = Observer::new().await;
    observer.waits(&queue, 70).await;
    let error = amqp.consume(Arc::clone(&queue), 1).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    let error = amqp.declare(Topology::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    observer.delete(&[&queue]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_does_not_exist_is_an_error() {
    let amqp = connect().await;
    let error = amqp.consume(name("nowhere"), 1).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Topology);
    assert!(error.to_string().contains("declare it first"), "{error}");
    amqp.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_queue_is_declared_and_consumed_again() {
    let amqp = connect().await;
    let queue = queue_of(&amqp, QueueKind::Quorum).await;
    amqp.publish(to_queue(&queue, "before")).await.unwrap();
    let mut deliveries = amqp.consume(Arc::clone(&queue), 10).await.unwrap();
    next(&mut deliveries).await.ack();
    let observer = Observer::new().await;
    observer.delete(&[&queue]).await;
    let after = tokio::spawn(async move { body(&next(&mut deliveries).await) });
    eventually("the queue is there again", || async { observer.waiting(&queue).await.is_some() }).await;
    // A quorum queue that is just made refuses messages until it has elected a leader.
    eventually("the queue takes messages", || async { amqp.publish(to_queue(&queue, "after")).await.is_ok() }).await;
    assert_eq!(after.await.unwrap(), "after");
    amqp.close().await;
    observer.delete(&[&queue]).await;
}
