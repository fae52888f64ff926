//! Declaring a topology.

use std::{sync::Arc, time::Duration};

use crate::conformance::{
    Bench,
    bench::{exchange, numbered},
};
use bloodbank_core::{
    ErrorKind,
    settings::QueueKind,
    transport::{
        Topology,
        topology::{DEAD_LETTER_EXCHANGE, DeadLetterTo, ExchangeKind, LADDER, dead_letter_queue, rung_name},
    },
};

/// Declaring again what is equal changes nothing: queues keep their messages and receive each message once.
pub async fn declares_again_what_is_equal(bench: &mut Bench) {
    let events = bench.exchange("events", ExchangeKind::Topic).await;
    let queue = bench
        .queue(&bench.name("queue"))
        .dead_letter(DeadLetterTo { exchange: DEAD_LETTER_EXCHANGE.into(), routing_key: Some("somewhere".into()) })
        .delivery_limit(7)
        .message_ttl(Duration::from_secs(600))
        .max_length(1000);
    let name = bench.bound(&events, queue.clone(), &["orders.#", "orders.*"]).await;
    bench.publish_numbers(&events, "orders.placed", 0..10).await;
    for _ in 0..3 {
        bench.declare(Topology::events(&events)).await;
        bench.bound(&events, queue.clone(), &["orders.*", "orders.#"]).await;
    }
    bench.publish_numbers(&events, "orders.placed", 10..20).await;
    assert!(bench.subscribe(&name, 10).await.take(20).await.into_iter().eq(0..20));
    bench.assert_empty(&name).await;
}

/// The topology of a subscriber can be declared as often as there are subscribers, and works: events arrive, every rung of
/// the ladder takes a message, and what is rejected is in the dead-letter queue.
pub async fn declares_what_a_subscriber_needs(bench: &mut Bench) {
    let events = bench.name("events");
    let queues = [bench.name("first"), bench.name("second")];
    for queue in &queues {
        let patterns = ["orders.placed".into(), "orders.*.failed".into()];
        bench.declare(Topology::subscriber(&events, queue, bench.kind(), &patterns)).await;
    }
    bench.publish(numbered(&events, "orders.placed", 1)).await;
    bench.publish(numbered(&events, "orders.payment.failed", 2)).await;
    for queue in &queues {
        let mut subscription = bench.subscribe(queue, 1).await;
        assert_eq!(subscription.take_one().await, 1);
        subscription.next().await.reject(false);
        let parked = dead_letter_queue(queue).into();
        assert_eq!(bench.subscribe(&parked, 1).await.take_one().await, 2, "`{parked}`");
        // A message on a long rung would stay with the broker; that the short ones take one stands for all.
        for delay in &LADDER[..2] {
            bench.publish(numbered(&rung_name(bench.kind(), *delay).into(), queue, 3)).await;
            assert_eq!(subscription.take_one().await, 3, "back from {delay:?}");
        }
    }
}

/// A queue or an exchange that exists with other properties is an error that names it; it stays as it was, and the
/// transport goes on.
pub async fn refuses_other_properties(bench: &mut Bench) {
    let events = bench.exchange("events", ExchangeKind::Topic).await;
    let queue = bench.queue(&bench.name("queue")).message_ttl(Duration::from_secs(600));
    let name = bench.bound(&events, queue.clone(), &["#"]).await;
    bench.publish(numbered(&events, "some.key", 1)).await;
    let mut subscription = bench.subscribe(&name, 1).await;
    let other_kind = match bench.kind() {
        QueueKind::Quorum => QueueKind::Classic,
        _ => QueueKind::Quorum,
    };
    let others = [
        queue.clone().kind(other_kind),
        queue.clone().message_ttl(None),
        queue.clone().message_ttl(Duration::from_secs(601)),
        queue.clone().max_length(10),
        queue.clone().dead_letter(DeadLetterTo { exchange: "".into(), routing_key: None }),
    ];
    for other in others {
        let text = format!("{other:?}");
        let topology = Topology::default().queues([other]);
        let error = bench.try_declare(topology).await.expect_err(&text);
        assert_eq!(error.kind(), ErrorKind::Topology, "{text}: {error:?}");
        assert!(error.to_string().contains(&*name), "names the queue: {error}");
    }
    for kind in [ExchangeKind::Fanout, ExchangeKind::Direct] {
        let topology = Topology::default().exchanges([exchange(&events, kind)]);
        let error = bench.try_declare(topology).await.expect_err("the exchange routes by pattern");
        assert_eq!(error.kind(), ErrorKind::Topology, "{error:?}");
        assert!(error.to_string().contains(&*events), "names the exchange: {error}");
    }
    assert_eq!(subscription.take_one().await, 1, "an open subscription goes on");
    bench.publish(numbered(&events, "some.key", 2)).await;
    assert_eq!(subscription.take_one().await, 2);
    bench.bound(&events, queue, &["#"]).await;
}

/// Consuming a queue that does not exist is an error that names it, and binding to what does not exist is one; the
/// transport goes on.
pub async fn refuses_to_consume_what_is_missing(bench: &mut Bench) {
    let (events, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 1).await;
    let missing = bench.name("missing");
    let transport = bench.transport();
    let consuming = transport.consume(Arc::clone(&missing), 1);
    let error = bench.within("consuming", consuming).await.err().expect("there is no such queue");
    assert_eq!(error.kind(), ErrorKind::Topology, "{error:?}");
    assert!(error.to_string().contains(&*missing), "names the queue: {error}");

    for (exchange, queue) in [(&missing, &queue), (&events, &missing)] {
        let topology = Topology::default().bindings([super::bench::binding(exchange, queue, "#")]);
        let error = bench.try_declare(topology).await.expect_err("one end is missing");
        assert_eq!(error.kind(), ErrorKind::Topology, "{error:?}");
    }
    bench.publish(numbered(&events, "some.key", 1)).await;
    assert_eq!(subscription.take_one().await, 1);
}

/// A queue that others make must exist; whatever its properties are, nothing of it is declared.
pub async fn looks_at_foreign_queues_and_declares_nothing_of_them(bench: &mut Bench) {
    let (events, queue) = (bench.name("events"), bench.name("foreign"));
    let topology = Topology::foreign_subscriber(&events, &queue, bench.kind());
    let compare = async |bench: &Bench| {
        let compared = bench.transport().compare(topology.clone()).await.expect("the broker compares");
        compared[0].to_string()
    };
    assert_eq!(compare(bench).await, format!("the foreign queue `{queue}`: missing"));
    let error = bench.transport().declare(topology.clone()).await.expect_err("there is no such queue");
    assert_eq!(error.kind(), ErrorKind::Topology);
    assert!(error.to_string().contains(&*queue), "{error}");
    let made = bench.queue(&queue).max_length(3);
    bench.declare(Topology::default().queues([made.clone()])).await;
    bench.declare(topology.clone()).await;
    assert_eq!(compare(bench).await, format!("the foreign queue `{queue}`: as declared"));
    let published =
        bench.transport().publish(numbered(&events, "orders.placed", 1)).await.expect("the broker confirms");
    assert_eq!(published.unrouted, Some(true), "nothing is bound to it");
    // It is what it was, for those who make it.
    bench.declare(Topology::default().queues([made])).await;
    bench.publish(numbered(&rung_name(bench.kind(), LADDER[0]).into(), &queue, 2)).await;
    assert_eq!(bench.subscribe(&queue, 1).await.take_one().await, 2, "back from a delay");
}
