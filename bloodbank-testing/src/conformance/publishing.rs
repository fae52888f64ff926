//! Confirms, and other answers to a publisher.

use std::sync::Arc;

use futures_util::future::{join_all, maybe_done};

use crate::conformance::{
    Bench,
    bench::{numbered, poll_once, publish_all},
};
use bloodbank_core::{ErrorKind, transport::topology::ExchangeKind};

/// Messages that one caller hands over one after the other, without waiting for confirms in between, keep their order; also
/// beyond the window, and to two exchanges.
pub async fn publishes_in_the_order_of_the_caller(bench: &mut Bench) {
    const COUNT: usize = 2000;
    let first = bench.exchange("first", ExchangeKind::Topic).await;
    let second = bench.exchange("second", ExchangeKind::Topic).await;
    let queue = bench.queue(&bench.name("queue"));
    let queue = bench.bound(&first, queue.clone(), &["#"]).await;
    let again = bench.queue(&queue);
    bench.bound(&second, again, &["#"]).await;
    let messages =
        (0..COUNT).map(|number| numbered(if number % 3 == 0 { &first } else { &second }, "some.key", number)).collect();
    for answer in publish_all(&*bench.transport(), messages, bench.timeout()).await {
        answer.expect("the broker confirms");
    }
    let received = bench.subscribe(&queue, 100).await.take(COUNT).await;
    assert!(received.into_iter().eq(0..COUNT), "in the order in which they were handed over");
}

/// A mandatory message that no queue receives is confirmed and reported; one that is not mandatory is confirmed.
pub async fn reports_what_no_queue_receives(bench: &mut Bench) {
    let exchange = bench.exchange("events", ExchangeKind::Topic).await;
    let queue = bench.queue(&bench.name("queue"));
    let queue = bench.bound(&exchange, queue, &["orders.*"]).await;
    let transport = bench.transport();
    let missing = bench.name("missing");
    let default: Arc<str> = "".into();
    // Among each other, so that a report which is taken for that of a neighbour shows.
    let mut messages = Vec::new();
    for round in 0..100 {
        messages.push(numbered(&exchange, "orders.placed", round));
        messages.push(numbered(&exchange, "nobody.listens", round));
        messages.push(numbered(&default, &missing, round));
        messages.push(numbered(&exchange, "nobody.asks", round));
    }
    let sent = messages.clone();
    let answers = publish_all(&*transport, messages, bench.timeout()).await;
    for (message, answer) in sent.iter().zip(answers) {
        let published = answer.expect("the broker confirms what it cannot route");
        let unrouted = message.mandatory.then(|| &*message.routing_key != "orders.placed");
        assert_eq!(published.unrouted, unrouted, "`{}`: unrouted", message.routing_key);
    }
    let received = bench.subscribe(&queue, 10).await.take(100).await;
    assert!(received.into_iter().eq(0..100), "what is routed arrives all the same");
    bench.assert_empty(&queue).await;
}

/// A full queue refuses: what was confirmed is there, what was refused is not, and with room again it accepts.
///
/// The broker may notice a little late that a queue is full.
pub async fn refuses_when_the_queue_is_full(bench: &mut Bench) {
    const LIMIT: usize = 10;
    let exchange = bench.exchange("events", ExchangeKind::Topic).await;
    let queue = bench.queue(&bench.name("queue")).max_length(LIMIT as u64);
    let queue = bench.bound(&exchange, queue, &["#"]).await;
    let transport = bench.transport();
    let mut accepted = 0;
    let refused = loop {
        let publishing = transport.publish(numbered(&exchange, "some.key", accepted));
        match bench.within("an answer to a publish", publishing).await {
            Ok(published) => assert_eq!(published.unrouted, Some(false)),
            Err(error) => break error,
        }
        accepted += 1;
        assert!(accepted < 10 * LIMIT, "a queue for {LIMIT} messages took {accepted}");
    };
    assert_eq!(refused.kind(), ErrorKind::Refused, "{refused:?}");
    assert!(refused.is_retryable());
    assert!(accepted >= LIMIT, "a queue for {LIMIT} messages took {accepted}");

    let mut subscription = bench.subscribe(&queue, 1).await;
    assert!(subscription.take(accepted).await.into_iter().eq(0..accepted));
    bench
        .until("a queue with room accepts", async || {
            transport.publish(numbered(&exchange, "some.key", 1000)).await.is_ok()
        })
        .await;
    assert_eq!(subscription.take_one().await, 1000, "what was refused is not in the queue");
}

/// A publisher that stops waiting for its confirm holds up nobody and takes nobody's confirm.
pub async fn survives_dropped_publishes(bench: &mut Bench) {
    const COUNT: usize = 2000;
    let (exchange, queue) = bench.events().await;
    let transport = bench.transport();
    let mut kept = Vec::new();
    for number in 0..COUNT {
        let mut publishing = maybe_done(transport.publish(numbered(&exchange, "some.key", number)));
        poll_once(&mut publishing).await;
        if number % 2 == 0 {
            kept.push(publishing);
        }
    }
    bench.within("the other confirms", join_all(&mut kept)).await;
    for publishing in &mut kept {
        let answer = std::pin::Pin::new(publishing).take_output().expect("all are done");
        assert_eq!(answer.expect("the broker confirms").unrouted, Some(false));
    }
    bench.publish(numbered(&exchange, "some.key", COUNT)).await;
    let mut received = Vec::new();
    let mut subscription = bench.subscribe(&queue, 100).await;
    while received.last() != Some(&COUNT) {
        received.push(subscription.take_one().await);
    }
    assert!(received.is_sorted_by(|one, next| one < next), "in order, none twice: {received:?}");
    let even = received.iter().filter(|number| **number % 2 == 0).count();
    assert_eq!(even, COUNT / 2 + 1, "all that somebody waited for are there");
}

/// Publishing to an exchange that does not exist is an error of its own, not one of its neighbours.
pub async fn survives_a_missing_exchange(bench: &mut Bench) {
    const COUNT: usize = 300;
    let (exchange, queue) = bench.events().await;
    let missing = bench.name("missing");
    let messages = (0..COUNT)
        .map(|number| {
            let bad = number % 100 == 50;
            numbered(if bad { &missing } else { &exchange }, "some.key", number)
        })
        .collect();
    let answers = publish_all(&*bench.transport(), messages, bench.timeout()).await;
    let mut expected = Vec::new();
    for (number, answer) in answers.into_iter().enumerate() {
        if number % 100 == 50 {
            let error = answer.expect_err("there is no such exchange");
            assert_eq!(error.kind(), ErrorKind::Topology, "{error:?}");
            assert!(error.to_string().contains(&*missing), "names the exchange: {error}");
        } else {
            answer.expect("the broker confirms what goes elsewhere");
            expected.push(number);
        }
    }
    // What was on its way when the broker complained may be there twice.
    let mut subscription = bench.subscribe(&queue, 100).await;
    bench.publish(numbered(&exchange, "some.key", COUNT)).await;
    let mut received = Vec::new();
    while received.last() != Some(&COUNT) {
        received.push(subscription.take_one().await);
    }
    received.pop();
    received.sort_unstable();
    received.dedup();
    assert_eq!(received, expected);
}
