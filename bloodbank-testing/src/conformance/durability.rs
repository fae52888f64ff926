//! Durability: messages and queues outlive the transport.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::conformance::{
    Bench,
    bench::{joined, number, numbered, publish_all},
};
use bloodbank_core::{ErrorKind, message::Outgoing};

/// A confirmed message is there after the transport was closed and another connects: whole, in order, without a new
/// declaration. What was settled is gone, what was not comes back.
pub async fn keeps_what_was_confirmed(bench: &mut Bench) {
    const MESSAGES: usize = 100;
    let (exchange, queue) = bench.events().await;
    let mut messages: Vec<Outgoing> = (0..MESSAGES).map(|number| numbered(&exchange, "some.key", number)).collect();
    for (place, message) in messages.iter_mut().enumerate() {
        message.properties.headers.set("place", i64::try_from(place).unwrap_or_default());
    }
    let sent = messages.clone();
    for answer in publish_all(&*bench.transport(), messages, bench.timeout()).await {
        answer.expect("the broker confirms");
    }
    let mut subscription = bench.subscribe(&queue, 20).await;
    assert!(subscription.take(10).await.into_iter().eq(0..10));
    let held = subscription.next().await;
    assert_eq!(number(&held), 10);
    bench.reopen().await;
    drop((held, subscription));

    let mut subscription = bench.subscribe(&queue, 20).await;
    for (place, sent) in sent.iter().enumerate().skip(10) {
        let delivery = subscription.next().await;
        assert_eq!(number(&delivery), place);
        assert!(delivery.redelivered || place != 10, "what was in hand is redelivered");
        assert_eq!(delivery.message.exchange, sent.exchange);
        assert_eq!(delivery.message.routing_key, sent.routing_key);
        let got = &delivery.message.properties;
        assert_eq!(got.message_id, sent.properties.message_id);
        assert_eq!(got.event_type, sent.properties.event_type);
        assert_eq!(got.headers.integer("place"), i64::try_from(place).ok());
        delivery.ack();
    }
    // The bindings are there as well.
    bench.publish(numbered(&exchange, "some.key", 1)).await;
    assert_eq!(subscription.take_one().await, 1);
}

/// 10,000 messages on their way when the publisher closes: every publish ends, what was confirmed is there once, and
/// nothing else but what was on its way.
pub async fn closes_under_load(bench: &mut Bench) {
    const PUBLISHERS: usize = 10;
    const EACH: usize = 1000;
    let (exchange, queue) = bench.events().await;
    let confirmed = Arc::new(AtomicUsize::new(0));
    let mut publishers = Vec::new();
    for publisher in 0..PUBLISHERS {
        let (transport, exchange, timeout) = (bench.transport(), Arc::clone(&exchange), bench.timeout());
        let confirmed = Arc::clone(&confirmed);
        publishers.push(tokio::spawn(async move {
            let mut kept = Vec::new();
            for burst in 0..EACH / 20 {
                let first = publisher * EACH + burst * 20;
                let messages = (first..first + 20).map(|number| numbered(&exchange, "some.key", number));
                for (place, answer) in
                    publish_all(&*transport, messages.collect(), timeout).await.into_iter().enumerate()
                {
                    match answer {
                        Ok(_) => {
                            kept.push(first + place);
                            confirmed.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}"),
                    }
                }
            }
            kept
        }));
    }
    bench.until("work is under way", async || confirmed.load(Ordering::Relaxed) >= 500).await;
    bench.reopen().await;
    let mut kept = BTreeSet::new();
    for publisher in publishers {
        kept.extend(bench.within("the publishers end", joined(publisher)).await);
    }
    bench.publish(numbered(&exchange, "some.key", usize::MAX)).await;

    let mut subscription = bench.subscribe(&queue, 200).await;
    let mut received = BTreeSet::new();
    loop {
        match subscription.take_one().await {
            usize::MAX => break,
            number => assert!(received.insert(number), "{number} is there once"),
        }
    }
    let lost = kept.difference(&received).count();
    assert_eq!(lost, 0, "{} were confirmed; so many of them are lost", kept.len());
    assert!(received.iter().all(|number| *number < PUBLISHERS * EACH), "nothing is invented");
}
