//! Lifecycle of subscriptions, transports and transient queues.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join_all;

use crate::conformance::{
    Bench,
    bench::{binding, joined, number, numbered},
};
use bloodbank_core::{
    ErrorKind,
    settings::QueueKind,
    transport::{
        Topology,
        topology::{ExchangeKind, Queue},
    },
};

/// When a subscriber closes, the others of its queue go on and receive what it had not settled.
pub async fn continues_after_a_subscriber_closes(bench: &mut Bench) {
    const MESSAGES: usize = 100;
    let (exchange, queue) = bench.events().await;
    let mut leaving = bench.subscribe(&queue, 10).await;
    bench.publish_numbers(&exchange, "some.key", 0..MESSAGES).await;
    let mut numbers = leaving.take(5).await;
    let held = [leaving.next().await, leaving.next().await];
    let mut staying = bench.subscribe(&queue, 10).await;
    drop(leaving);
    drop(held);
    numbers.extend(staying.take(MESSAGES - 5).await);
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..MESSAGES), "each message once");

    let mut joining = bench.subscribe(&queue, 10).await;
    drop(staying);
    bench.publish_numbers(&exchange, "some.key", 0..MESSAGES).await;
    // Some may have been on their way to the one that left, and come back behind others.
    let mut numbers = joining.take(MESSAGES).await;
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..MESSAGES));
    drop(joining);
    bench.reopen().await;
    bench.assert_empty(&queue).await;
}

/// Giving up waiting for the next delivery loses none, and a task that is aborted with a delivery in hand gives it back.
pub async fn survives_cancellation(bench: &mut Bench) {
    const MESSAGES: usize = 300;
    let (exchange, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 10).await;
    let (transport, events, timeout) = (bench.transport(), Arc::clone(&exchange), bench.timeout());
    let publisher = tokio::spawn(async move {
        for number in 0..MESSAGES {
            let publishing = transport.publish(numbered(&events, "some.key", number));
            timeout.wait("a confirm", publishing).await.expect("the broker confirms");
        }
    });
    let mut received = Vec::new();
    bench
        .until("every message arrives", async || {
            // Each of these asks, and stops asking at once.
            for _ in 0..100 {
                while let Some(delivery) = subscription.now() {
                    received.push(number(&delivery));
                    delivery.ack();
                }
                tokio::task::yield_now().await;
            }
            received.len() == MESSAGES
        })
        .await;
    assert!(received.into_iter().eq(0..MESSAGES));
    joined(publisher).await;

    bench.publish(numbered(&exchange, "some.key", 0)).await;
    let (sender, taken) = tokio::sync::oneshot::channel();
    let holder = tokio::spawn(async move {
        let delivery = subscription.next().await;
        let _ = sender.send(number(&delivery));
        std::future::pending::<()>().await;
        drop((delivery, subscription));
    });
    bench.within("the task has the delivery", taken).await.expect("the task goes on");
    holder.abort();
    let delivery = bench.subscribe(&queue, 10).await.next().await;
    assert!(delivery.redelivered, "{delivery:?}: redelivered");
    assert_eq!(number(&delivery), 0);
    delivery.ack();
}

/// Eight calls to close, under load, all end; so do all publishers and deliveries; afterwards everything says `Closed`.
pub async fn closes_once_for_all(bench: &mut Bench) {
    let (exchange, queue) = bench.events().await;
    let transport = bench.transport();
    let confirmed = Arc::new(AtomicUsize::new(0));
    let mut publishers = Vec::new();
    for _ in 0..8 {
        let (transport, exchange, timeout) = (Arc::clone(&transport), Arc::clone(&exchange), bench.timeout());
        let confirmed = Arc::clone(&confirmed);
        publishers.push(tokio::spawn(async move {
            loop {
                let publishing = transport.publish(numbered(&exchange, "some.key", 0));
                match timeout.wait("an answer to a publish", publishing).await {
                    Ok(_) => confirmed.fetch_add(1, Ordering::Relaxed),
                    Err(error) => return error,
                };
                // An embedded bus answers at once and would never let others run.
                tokio::task::yield_now().await;
            }
        }));
    }
    let mut consumers = Vec::new();
    for _ in 0..4 {
        let mut subscription = bench.subscribe(&queue, 10).await;
        consumers.push(tokio::spawn(async move {
            while let Some(delivery) = subscription.next_or_end().await {
                delivery.ack();
            }
        }));
    }
    bench.until("work is under way", async || confirmed.load(Ordering::Relaxed) >= 200).await;
    let closing = (0..8).map(|_| {
        let transport = Arc::clone(&transport);
        tokio::spawn(async move { transport.close().await })
    });
    let closing: Vec<_> = closing.map(joined).collect();
    bench.within("closing", join_all(closing)).await;
    for publisher in publishers {
        let error = bench.within("the publishers end", joined(publisher)).await;
        assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
    }
    for consumer in consumers {
        bench.within("the deliveries end", joined(consumer)).await;
    }

    let publishing = transport.publish(numbered(&exchange, "some.key", 0));
    let error = bench.within("publishing", publishing).await.expect_err("publishing fails");
    assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
    let declaring = transport.declare(Topology::events(&exchange));
    let error = bench.within("declaring", declaring).await.expect_err("declaring fails");
    assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
    let consuming = transport.consume(queue, 1);
    let error = bench.within("consuming", consuming).await.err().expect("consuming fails");
    assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
    bench.within("closing again", transport.close()).await;
}

/// A transient queue delivers like any other, and with its consumer it goes, and its bindings with it.
pub async fn forgets_a_transient_queue_with_its_consumer(bench: &mut Bench) {
    let exchange = bench.exchange("events", ExchangeKind::Topic).await;
    let queue = bench.name("answers");
    let transport = bench.transport();
    for round in 0..3 {
        let mut topology = Topology::replies(&queue);
        topology.bindings.push(binding(&exchange, &queue, "orders.#"));
        bench.declare(topology).await;
        let mut subscription = bench.subscribe(&queue, 10).await;
        bench.publish_numbers(&"".into(), &queue, 0..20).await;
        bench.publish_numbers(&exchange, "orders.placed", 20..40).await;
        // With some settled, some unsettled, some not even fetched.
        assert!(subscription.take(30).await.into_iter().eq(0..30), "round {round}");
        drop(subscription);
        for (exchange, key) in [("".into(), &*queue), (Arc::clone(&exchange), "orders.placed")] {
            bench
                .until("the transient queue goes", async || {
                    let published = transport.publish(numbered(&exchange, key, 0)).await;
                    published.expect("the broker confirms").unrouted == Some(true)
                })
                .await;
        }
    }
    let gone = bench.within("consuming", transport.consume(Arc::clone(&queue), 1)).await;
    assert!(gone.is_err(), "the queue is gone");
    // Another transient queue may take over the name with other properties.
    bench.declare(Topology::default().queues([Queue::new(queue, QueueKind::Transient).max_length(10)])).await;
}
