//! Delivery of messages to consumers and queues.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::conformance::{
    Bench,
    bench::{joined, number, numbered, publish_all},
};
use bloodbank_core::transport::topology::ExchangeKind;

/// 5,000 messages, 50 consumers of one queue that acknowledge all: each message is delivered once.
pub async fn delivers_each_message_once_to_many_consumers(bench: &mut Bench) {
    const MESSAGES: usize = 5000;
    const CONSUMERS: usize = 50;
    let (exchange, queue) = bench.events().await;
    let (sender, mut received) = mpsc::unbounded_channel();
    let mut consumers = Vec::new();
    for _ in 0..CONSUMERS {
        let mut subscription = bench.subscribe(&queue, 20).await;
        let sender = sender.clone();
        consumers.push(tokio::spawn(async move {
            while let Some(delivery) = subscription.next_or_end().await {
                let number = number(&delivery);
                delivery.ack();
                if sender.send(number).is_err() {
                    break;
                }
            }
        }));
    }
    bench.publish_numbers(&exchange, "some.key", 0..MESSAGES).await;
    let mut times = vec![0; MESSAGES];
    for place in 0..MESSAGES {
        let what = format!("message {place} of {MESSAGES}");
        let number = bench.within(what, received.recv()).await.expect("the consumers go on");
        times[number] += 1;
    }
    let other = times.iter().filter(|times| **times != 1).count();
    assert_eq!(other, 0, "so many messages were not delivered exactly once");
    for consumer in consumers {
        consumer.abort();
        // Ended or aborted, it consumes no longer.
        drop(consumer.await);
    }
    bench.reopen().await;
    bench.assert_empty(&queue).await;
    assert!(received.try_recv().is_err(), "nothing is delivered after all are acknowledged");
}

/// 20 topics of 100 messages, published at once: each subscriber receives its own, in order.
pub async fn keeps_many_topics_apart(bench: &mut Bench) {
    const TOPICS: usize = 20;
    const MESSAGES: usize = 100;
    let exchange = bench.exchange("events", ExchangeKind::Topic).await;
    let mut publishers = Vec::new();
    let mut subscriptions = Vec::new();
    for topic in 0..TOPICS {
        let key = format!("topic.number{topic}");
        let queue = bench.queue(&bench.name(&format!("queue{topic}")));
        let queue = bench.bound(&exchange, queue, &[&key]).await;
        subscriptions.push(bench.subscribe(&queue, 10).await);
        let (transport, exchange, timeout) = (bench.transport(), Arc::clone(&exchange), bench.timeout());
        publishers.push(tokio::spawn(async move {
            let numbers = topic * MESSAGES..(topic + 1) * MESSAGES;
            let messages = numbers.map(|number| numbered(&exchange, &key, number)).collect();
            publish_all(&*transport, messages, timeout).await
        }));
    }
    for (topic, subscription) in subscriptions.iter_mut().enumerate() {
        let numbers = topic * MESSAGES..(topic + 1) * MESSAGES;
        assert!(subscription.take(MESSAGES).await.into_iter().eq(numbers), "topic {topic}");
    }
    for publisher in publishers {
        for answer in joined(publisher).await {
            assert_eq!(answer.expect("the broker confirms").unrouted, Some(false));
        }
    }
}

/// Keys that look alike, and equal keys on another exchange, do not meet.
pub async fn isolates_similar_topics(bench: &mut Bench) {
    let keys = ["a.b", "a.bb", "a.b.c", "aa.b", "a", "b.a", "A.b"];
    let exchange = bench.exchange("events", ExchangeKind::Topic).await;
    let other = bench.exchange("events2", ExchangeKind::Topic).await;
    let mut queues = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let queue = bench.queue(&bench.name(&format!("queue{place}")));
        queues.push(bench.bound(&exchange, queue, &[key]).await);
    }
    let queue = bench.queue(&bench.name("elsewhere"));
    let elsewhere = bench.bound(&other, queue, &keys).await;
    for (place, key) in keys.iter().enumerate() {
        bench.publish(numbered(&exchange, key, place)).await;
    }
    for (place, queue) in queues.iter().enumerate() {
        assert_eq!(bench.subscribe(queue, 10).await.take_one().await, place, "`{}`", keys[place]);
        bench.assert_empty(queue).await;
    }
    bench.assert_empty(&elsewhere).await;
}

/// 1,000 messages of one queue arrive in the order in which they were published.
pub async fn keeps_the_order_of_one_queue(bench: &mut Bench) {
    const MESSAGES: usize = 1000;
    let (exchange, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 50).await;
    bench.publish_numbers(&exchange, "before.half", 0..MESSAGES / 2).await;
    bench.publish_numbers(&exchange, "after.half", MESSAGES / 2..MESSAGES).await;
    assert!(subscription.take(MESSAGES).await.into_iter().eq(0..MESSAGES));
}

/// Two queues receive all each; two consumers of one queue share it.
pub async fn serves_groups_of_consumers(bench: &mut Bench) {
    const MESSAGES: usize = 400;
    let (exchange, shared) = bench.events().await;
    let alone = bench.queue(&bench.name("alone"));
    let alone = bench.bound(&exchange, alone, &["#"]).await;
    let mut single = bench.subscribe(&alone, 10).await;
    let mut first = bench.subscribe(&shared, 10).await;
    let mut second = bench.subscribe(&shared, 10).await;
    bench.publish_numbers(&exchange, "some.key", 0..MESSAGES).await;

    assert!(single.take(MESSAGES).await.into_iter().eq(0..MESSAGES), "a queue receives all");
    // In turns: neither can take more than its prefetch allows, so both have work.
    let mut numbers = Vec::new();
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(first.next().await);
        held.push(second.next().await);
    }
    for delivery in held {
        numbers.push(number(&delivery));
        delivery.ack();
    }
    let (sender, mut received) = mpsc::unbounded_channel();
    for mut subscription in [first, second] {
        let sender = sender.clone();
        tokio::spawn(async move {
            while let Some(delivery) = subscription.next_or_end().await {
                let number = number(&delivery);
                delivery.ack();
                if sender.send(number).is_err() {
                    break;
                }
            }
        });
    }
    while numbers.len() < MESSAGES {
        numbers.push(bench.within("the rest", received.recv()).await.expect("they go on"));
    }
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..MESSAGES), "two consumers share, each message once");
}

/// A queue keeps what arrives while nobody consumes, and nothing from before it was bound.
pub async fn keeps_messages_for_a_later_subscriber(bench: &mut Bench) {
    let (exchange, queue) = bench.events().await;
    bench.publish_numbers(&exchange, "some.key", 0..50).await;
    let late = bench.queue(&bench.name("late"));
    let late = bench.bound(&exchange, late, &["#"]).await;
    bench.publish_numbers(&exchange, "some.key", 50..100).await;

    let mut subscription = bench.subscribe(&queue, 10).await;
    assert!(subscription.take(60).await.into_iter().eq(0..60));
    drop(subscription);
    bench.publish_numbers(&exchange, "some.key", 100..120).await;
    let mut subscription = bench.subscribe(&queue, 10).await;
    let mut rest = subscription.take(60).await;
    // What the first had fetched and not seen comes back, perhaps behind others.
    rest.sort_unstable();
    assert!(rest.into_iter().eq(60..120));
    assert!(bench.subscribe(&late, 10).await.take(70).await.into_iter().eq(50..120));
}
