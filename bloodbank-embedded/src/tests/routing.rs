//! From an exchange to the queues, and what exists.

use crate::tests::*;

#[test]
fn topic_routes_by_pattern_and_each_queue_once() {
    let bench = Bench::new(bound(
        ExchangeKind::Topic,
        "e",
        &[("orders.#", "audit"), ("#.placed", "audit"), ("orders.*.placed", "ship"), ("x.y", "other")],
    ));
    bench.publish("e", "orders.order.placed", "1");
    bench.publish("e", "orders", "2");
    assert_eq!(bench.drain("audit"), ["1", "2"]);
    assert_eq!(bench.drain("ship"), ["1"]);
    assert!(bench.drain("other").is_empty());
}

#[test]
fn fanout_ignores_the_key() {
    let bench = Bench::new(bound(ExchangeKind::Fanout, "e", &[("", "a"), ("ignored", "b"), ("again", "b")]));
    bench.publish("e", "any.key", "1");
    assert_eq!(bench.drain("a"), ["1"]);
    assert_eq!(bench.drain("b"), ["1"]);
}

#[test]
fn direct_routes_by_equality() {
    let bench = Bench::new(bound(ExchangeKind::Direct, "e", &[("k", "a"), ("#", "b")]));
    bench.publish("e", "k", "1");
    assert_eq!(bench.drain("a"), ["1"]);
    assert!(bench.drain("b").is_empty(), "a direct exchange knows no wildcards");
}

#[test]
fn the_default_exchange_routes_to_the_queue_of_that_name() {
    let bench = Bench::new([queue("a"), queue("b")]);
    assert_eq!(bench.publish("", "a", "1").unrouted, Some(false));
    assert_eq!(bench.drain("a"), ["1"]);
    assert!(bench.drain("b").is_empty());
    assert_eq!(bench.publish("", "missing", "2").unrouted, Some(true));
}

#[test]
fn what_no_queue_receives_is_reported() {
    let bench = Bench::new(bound(ExchangeKind::Topic, "e", &[("a.b", "q")]));
    assert_eq!(bench.publish("e", "a.c", "1").unrouted, Some(true));
    assert_eq!(bench.publish("e", "a.b", "1").unrouted, Some(false));
}

#[test]
fn a_binding_made_later_counts_for_keys_that_were_routed_before() {
    let bench = Bench::new(bound(ExchangeKind::Topic, "e", &[]));
    assert_eq!(bench.publish("e", "a.b", "1").unrouted, Some(true));
    bench.declare(bound(ExchangeKind::Topic, "e", &[("a.*", "q")])).unwrap();
    assert_eq!(bench.publish("e", "a.b", "2").unrouted, Some(false));
    assert_eq!(bench.drain("q"), ["2"]);
}

#[test]
fn publishing_to_nowhere_is_an_error() {
    let bench = Bench::new(Topology::default());
    let error = bench.try_publish(message("nowhere", "a.b", "1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    assert!(error.to_string().contains("no exchange `nowhere`"), "{error}");
}

#[test]
fn consuming_from_nowhere_is_an_error() {
    let bench = Bench::new(Topology::default());
    let error = bench.try_consume("nowhere", 1).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Topology);
}

#[test]
fn declaring_again_keeps_what_is_there() {
    let topology = bound(ExchangeKind::Topic, "e", &[("#", "q")]);
    let bench = Bench::new(topology.clone());
    bench.publish("e", "a.b", "1");
    bench.declare(topology).unwrap();
    bench.publish("e", "a.b", "2");
    assert_eq!(bench.drain("q"), ["1", "2"]);
}

#[test]
fn declaring_with_other_properties_is_an_error_that_shows_both_and_changes_nothing() {
    let bench = Bench::new(bound(ExchangeKind::Topic, "e", &[("#", "q")]));
    let other = queue("q").delivery_limit(7);
    let topology = Topology::default().queues([queue("new"), other]);
    let error = bench.declare(topology).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    let text = error.to_string();
    assert!(text.contains("`q`") && text.contains("delivery_limit: None"), "{text}");
    assert!(text.contains("delivery_limit: Some(7)"), "{text}");
    assert_eq!(bench.bus.depth("new"), None, "nothing of a refused declaration is made");

    assert_eq!(kind(bench.declare(bound(ExchangeKind::Fanout, "e", &[]))), ErrorKind::Topology);
    let twice = [queue("twice"), queue("twice").message_ttl(Duration::ZERO)];
    assert_eq!(kind(bench.declare(twice)), ErrorKind::Topology);
}

#[test]
fn binding_what_is_missing_is_an_error() {
    let bench = Bench::new(queue("q"));
    let binding = |exchange: &str, queue: &str| {
        Topology::default().bindings([Binding { exchange: exchange.into(), queue: queue.into(), pattern: "#".into() }])
    };
    assert_eq!(kind(bench.declare(binding("missing", "q"))), ErrorKind::Topology);
    bench.declare(bound(ExchangeKind::Topic, "e", &[])).unwrap();
    assert_eq!(kind(bench.declare(binding("e", "missing"))), ErrorKind::Topology);
}

#[test]
fn a_transient_queue_goes_with_its_last_consumer() {
    let replies: Arc<str> = "replies".into();
    let bench = Bench::new(Topology::replies(&replies));
    bench.declare(bound(ExchangeKind::Topic, "e", &[])).unwrap();
    bench
        .declare(Topology::default().bindings([Binding {
            exchange: "e".into(),
            queue: Arc::clone(&replies),
            pattern: "#".into(),
        }]))
        .unwrap();
    let (one, two) = (bench.consume("replies", 0), bench.consume("replies", 0));
    drop(one);
    assert_eq!(bench.publish("", "replies", "1").unrouted, Some(false));
    drop(two);
    assert_eq!(bench.publish("", "replies", "2").unrouted, Some(true));
    assert_eq!(bench.publish("e", "a.b", "3").unrouted, Some(true), "its bindings are gone");
    assert_eq!(bench.bus.depth("replies"), None);
}

#[test]
fn a_full_queue_refuses() {
    let limited = queue("q").max_length(2);
    let bench = Bench::new([limited, queue("other")]);
    bench.publish("", "q", "1");
    bench.publish("", "q", "2");
    let error = bench.try_publish(message("", "q", "3")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("queue `q` is full"), "{error}");

    let mut deliveries = bench.consume("q", 0);
    next(&mut deliveries).ack();
    bench.publish("", "q", "3");
    drop(deliveries);
    assert_eq!(bench.drain("q"), ["2", "3"]);
}
