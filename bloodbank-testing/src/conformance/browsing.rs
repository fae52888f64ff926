//! Browsing queues and comparing topologies, which change nothing.

use std::sync::Arc;

use crate::conformance::{Bench, bench::number};
use bloodbank_core::transport::{
    Topology, TopologyDiff, TopologyStatus,
    topology::{DeadLetterTo, ExchangeKind, PARKED_DELIVERY_LIMIT},
};

/// Browsing a queue shows the messages that wait there, once each and in order, to one reader at a time. A message that is
/// not acknowledged is back in its place afterwards, however often somebody browses.
pub async fn browses_a_queue_and_leaves_it_as_it_is(bench: &mut Bench) {
    let exchange = bench.exchange("events", ExchangeKind::Topic).await;
    let queue = bench.queue(&bench.name("all")).delivery_limit(PARKED_DELIVERY_LIMIT);
    let queue = bench.bound(&exchange, queue, &["#"]).await;
    bench.publish_numbers(&exchange, "some.key", 0..20).await;
    let transport = bench.transport();
    // More often than a delivery limit by default.
    for round in 0..22 {
        let mut first =
            bench.within("browsing", transport.browse(Arc::clone(&queue))).await.expect("it can be browsed");
        let mut held = Vec::new();
        for place in 0..20 {
            assert_eq!(first.left(), 20 - place, "round {round}");
            let delivery = bench.within("a message", first.next()).await.expect("it goes on").expect("it is there");
            assert_eq!(number(&delivery), place, "round {round}");
            held.push(delivery);
        }
        assert!(bench.within("the end", first.next()).await.expect("it goes on").is_none());
        let second = bench.within("browsing", transport.browse(Arc::clone(&queue))).await.expect("it can be browsed");
        assert_eq!(second.left(), 0, "the other has them all");
        drop(second);
        drop(held);
        bench.within("finishing", first.finish()).await.expect("the bus hears of it");
    }
    let mut last = bench.within("browsing", transport.browse(Arc::clone(&queue))).await.expect("it can be browsed");
    let mut held = Vec::new();
    while let Some(delivery) = bench.within("a message", last.next()).await.expect("it goes on") {
        match number(&delivery) % 2 {
            0 => delivery.ack(),
            _ => held.push(delivery),
        }
    }
    drop(held);
    bench.within("finishing", last.finish()).await.expect("the bus hears of it");
    let odd: Vec<usize> = (0..20).filter(|number| number % 2 == 1).collect();
    assert_eq!(bench.subscribe(&queue, 20).await.take(10).await, odd);
    bench.assert_empty(&queue).await;
    let missing = bench.within("browsing", transport.browse(bench.name("missing"))).await;
    let error = missing.err().expect("there is nothing to browse");
    assert_eq!(error.kind(), bloodbank_core::ErrorKind::Topology, "{error}");
}

/// Comparing a topology tells of each exchange and queue whether it is there: equal, missing, or different with both sides.
/// Comparing declares nothing.
pub async fn compares_a_topology_and_changes_nothing(bench: &mut Bench) {
    let exchange = bench.exchange("there", ExchangeKind::Topic).await;
    let queue = bench.bound(&exchange, bench.queue(&bench.name("there")), &["#"]).await;
    let missing = bench.name("missing");
    let to = DeadLetterTo { exchange: "".into(), routing_key: Some(Arc::clone(&missing)) };
    let topology = Topology::default()
        .exchanges([
            super::bench::exchange(&exchange, ExchangeKind::Topic),
            super::bench::exchange(&missing, ExchangeKind::Topic),
            super::bench::exchange(&exchange, ExchangeKind::Fanout),
        ])
        .queues([bench.queue(&queue), bench.queue(&missing), bench.queue(&queue).dead_letter(to)]);
    for _ in 0..2 {
        let compared = bench.within("comparing", bench.transport().compare(topology.clone())).await;
        let compared = compared.expect("it can be compared");
        let states: Vec<&str> = compared
            .iter()
            .map(|TopologyDiff { status, .. }| match status {
                TopologyStatus::Equal => "equal",
                TopologyStatus::Missing => "missing",
                TopologyStatus::Different(_) => "different",
                TopologyStatus::Unknown(_) => "unknown",
            })
            .collect();
        assert_eq!(states, ["equal", "missing", "different", "equal", "missing", "different"], "{compared:?}");
        for (place, parts) in [(2, ["there", "type"]), (5, ["there", "x-dead-letter-exchange"])] {
            let shown = compared[place].to_string();
            for part in parts.into_iter().chain(["the broker has", "this program declares"]) {
                assert!(shown.contains(part), "{shown} lacks {part}");
            }
            assert!(compared[place].remedy().is_some());
        }
    }
}
