//! Messages that a queue dead-letters: rejected, expired, delivered too often.

use crate::tests::*;
use bloodbank_core::transport::topology::{DELIVERY_LIMIT, rung_name};

const SECOND: Duration = Duration::from_secs(1);

/// `q`, whose dead letters go to `q.dlq` through the exchange `dlx`.
fn parking(change: impl FnOnce(&mut Queue)) -> Topology {
    let mut topology = bound(ExchangeKind::Direct, "dlx", &[("q", "q.dlq")]);
    let mut parked = dead_lettering("q", "dlx", Some("q"));
    change(&mut parked);
    topology.queues.push(parked);
    topology
}

fn parked(bench: &Bench) -> Delivery {
    next(&mut bench.consume("q.dlq", 1))
}

fn death(delivery: &Delivery) -> (&str, &str, &str) {
    let text = |name| delivery.message.properties.headers.text(name).unwrap_or_default();
    (text("x-first-death-reason"), text("x-first-death-queue"), text("x-first-death-exchange"))
}

#[test]
fn rejected_without_requeue_goes_to_the_dead_letters() {
    let bench = Bench::new(parking(|_| {}));
    bench.publish("", "q", "1");
    next(&mut bench.consume("q", 1)).reject(false);
    let dead = parked(&bench);
    assert_eq!(body(&dead), "1");
    assert_eq!(death(&dead), ("rejected", "q", ""));
    assert_eq!((&*dead.message.exchange, &*dead.message.routing_key), ("dlx", "q"));
    assert!(!dead.redelivered);
    assert_eq!(bench.bus.depth("q"), Some((0, 0)));
}

#[test]
fn rejected_without_requeue_is_gone_where_there_are_no_dead_letters() {
    let bench = Bench::new(queue("q"));
    bench.publish("", "q", "1");
    next(&mut bench.consume("q", 1)).reject(false);
    assert_eq!(bench.bus.depth("q"), Some((0, 0)));
}

#[test]
fn the_delivery_limit_parks_what_comes_back_too_often() {
    let bench = Bench::new(parking(|queue| queue.delivery_limit = Some(3)));
    bench.publish("", "q", "1");
    bench.publish("", "q", "2");
    let mut deliveries = bench.consume("q", 0);
    for delivered in 0..=3 {
        let delivery = next(&mut deliveries);
        assert_eq!((body(&delivery).as_str(), delivery.redelivered), ("1", delivered > 0));
        delivery.reject(true);
    }
    assert_eq!(body(&next(&mut deliveries)), "2");
    let dead = parked(&bench);
    assert_eq!(body(&dead), "1");
    assert_eq!(death(&dead), ("delivery_limit", "q", ""));
}

#[test]
fn messages_expire_by_the_queue_and_by_themselves() {
    let bench = Bench::new(parking(|queue| queue.message_ttl = Some(10 * SECOND)));
    bench.publish("", "q", "queue");
    bench.bus.advance(9 * SECOND);
    assert_eq!(bench.bus.depth("q"), Some((1, 0)));
    bench.bus.advance(SECOND);
    assert_eq!(death(&parked(&bench)), ("expired", "q", ""));

    bench.try_publish(expiring("", "q", "itself", 2 * SECOND)).unwrap();
    assert_eq!(bench.bus.next_expiry(), Some(12 * SECOND));
    bench.bus.advance(2 * SECOND);
    let mut dead = bench.consume("q.dlq", 0);
    let dead = next(&mut dead);
    assert_eq!(dead.message.properties.expiration, None, "its time does not run on among the dead letters");
    assert_eq!(death(&dead), ("expired", "q", ""));
}

#[test]
fn what_expired_is_not_delivered_although_nobody_moved_it_yet() {
    let bench = Bench::new(queue("q"));
    bench.try_publish(expiring("", "q", "1", SECOND)).unwrap();
    bench.publish("", "q", "2");
    bench.bus.engine.clock.move_to(2 * SECOND);
    assert_eq!(bench.drain("q"), ["2"]);
}

#[test]
fn what_is_in_hand_does_not_expire_until_it_comes_back() {
    let bench = Bench::new(parking(|queue| queue.message_ttl = Some(SECOND)));
    bench.publish("", "q", "1");
    let mut deliveries = bench.consume("q", 1);
    let held = next(&mut deliveries);
    bench.bus.advance(5 * SECOND);
    assert_eq!(bench.bus.depth("q"), Some((0, 1)));
    held.reject(true);
    bench.bus.advance(Duration::ZERO);
    assert_eq!(body(&parked(&bench)), "1");
}

#[test]
fn a_rung_of_the_ladder_leads_back_to_the_queue_named_by_the_key_alone() {
    let exchange: Arc<str> = "events".into();
    let bench = Bench::new(Topology::subscriber(&exchange, &"s.one".into(), QueueKind::Quorum, &["#".into()]));
    bench.declare(Topology::subscriber(&exchange, &"s.two".into(), QueueKind::Quorum, &["#".into()])).unwrap();
    let rung = rung_name(QueueKind::Quorum, SECOND);
    bench.publish(&rung, "s.one", "1");
    bench.publish(&rung, "s.two", "2");
    bench.publish(&rung_name(QueueKind::Quorum, 5 * SECOND), "s.one", "3");
    bench.bus.advance(SECOND - Duration::from_millis(1));
    assert_eq!(bench.bus.depth("s.one"), Some((0, 0)));
    bench.bus.advance(Duration::from_millis(1));
    assert_eq!(bench.drain("s.one"), ["1"]);
    let mut two = bench.consume("s.two", 1);
    let delivery = next(&mut two);
    assert_eq!((&*delivery.message.exchange, &*delivery.message.routing_key), ("", "s.two"));
    assert_eq!(death(&delivery), ("expired", rung.as_str(), rung.as_str()));
    delivery.ack();
    assert_eq!(bench.bus.next_expiry(), Some(5 * SECOND));
    bench.bus.advance(4 * SECOND);
    assert_eq!(bench.drain("s.one"), ["3"]);
}

#[test]
fn the_first_death_is_remembered() {
    let bench = Bench::new([dead_lettering("a", "", Some("b")), dead_lettering("b", "", Some("c")), queue("c")]);
    bench.publish("", "a", "1");
    next(&mut bench.consume("a", 1)).reject(false);
    next(&mut bench.consume("b", 1)).reject(false);
    assert_eq!(death(&next(&mut bench.consume("c", 1))), ("rejected", "a", ""));
}

#[test]
fn a_queue_that_sends_what_expires_to_itself_does_not_hang_the_bus() {
    let circle = dead_lettering("circle", "", Some("circle")).message_ttl(Duration::ZERO);
    let bench = Bench::new(circle);
    bench.publish("", "circle", "1");
    bench.bus.advance(Duration::from_millis(20));
    assert_eq!(bench.bus.depth("circle"), Some((1, 0)));
}

#[test]
fn a_subscriber_is_declared_with_the_delivery_limit() {
    let exchange: Arc<str> = "events".into();
    let bench = Bench::new(Topology::subscriber(&exchange, &"s.one".into(), QueueKind::Quorum, &["#".into()]));
    bench.publish("events", "a.b", "1");
    let mut deliveries = bench.consume("s.one", 1);
    let mut delivered = 0;
    while let Some(delivery) = try_next(&mut deliveries) {
        delivered += 1;
        drop(delivery);
    }
    assert_eq!(delivered, DELIVERY_LIMIT + 1);
    assert_eq!(bench.drain("s.one.dlq"), ["1"]);
}

/// A bus on the real clock.
async fn real(topology: Topology) -> Embedded {
    let bus = Embedded::in_memory();
    bus.declare(topology).await.unwrap();
    bus
}

async fn soon(deliveries: &mut Deliveries) -> Delivery {
    tokio::time::timeout(Duration::from_secs(60), deliveries.next())
        .await
        .expect("it expires in time")
        .expect("the bus is open")
}

#[tokio::test]
async fn a_thread_moves_what_expires() {
    let bus = real(parking(|queue| queue.message_ttl = Some(Duration::from_millis(30)))).await;
    let mut dead = bus.consume("q.dlq".into(), 0).await.unwrap();
    let mut received = Vec::new();
    for number in 0..3 {
        bus.publish(message("", "q", &number.to_string())).await.unwrap();
        let delivery = soon(&mut dead).await;
        received.push(body(&delivery));
        delivery.ack();
    }
    assert_eq!(received, ["0", "1", "2"]);
}

#[tokio::test]
async fn a_later_message_with_an_earlier_end_is_moved_in_time() {
    let mut topology = parking(|queue| queue.message_ttl = Some(Duration::from_secs(3_600)));
    topology.queues.push(dead_lettering("short", "dlx", Some("q")));
    let bus = real(topology).await;
    let mut dead = bus.consume("q.dlq".into(), 0).await.unwrap();
    bus.publish(message("", "q", "late")).await.unwrap();
    bus.publish(expiring("", "short", "early", Duration::from_millis(20))).await.unwrap();
    assert_eq!(body(&soon(&mut dead).await), "early");
}

#[tokio::test]
async fn what_stands_behind_is_moved_once_it_is_first() {
    let bus = real(parking(|queue| queue.delivery_limit = None)).await;
    let mut dead = bus.consume("q.dlq".into(), 0).await.unwrap();
    bus.publish(message("", "q", "first")).await.unwrap();
    bus.publish(expiring("", "q", "second", Duration::from_millis(20))).await.unwrap();
    let mut deliveries = bus.consume("q".into(), 1).await.unwrap();
    let held = soon(&mut deliveries).await;
    // The consumer's hands are full: only the thread can find the second.
    assert_eq!(body(&soon(&mut dead).await), "second");
    held.ack();
}
