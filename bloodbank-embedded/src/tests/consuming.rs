//! Taking, settling, waiting, closing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::tests::*;
use bloodbank_core::transport::Transport;

/// Counts how often it was woken.
#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl CountingWaker {
    fn rings(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn poll(deliveries: &mut Deliveries, bell: &Arc<CountingWaker>) -> Poll<Option<Delivery>> {
    let waker = Waker::from(Arc::clone(bell));
    deliveries.as_mut().poll_next(&mut Context::from_waker(&waker))
}

fn waits(deliveries: &mut Deliveries) -> Arc<CountingWaker> {
    let bell = Arc::new(CountingWaker::default());
    assert!(poll(deliveries, &bell).is_pending());
    bell
}

#[test]
fn messages_come_in_order_with_everything_they_carry() {
    let bench = Bench::new(bound(ExchangeKind::Topic, "e", &[("#", "q")]));
    let mut first = message("e", "a.b", "1");
    first.properties.message_id = Some(uuid::Uuid::from_u128(7));
    first.properties.headers.set("traceparent", "00-1");
    bench.try_publish(first).unwrap();
    bench.publish("e", "a.b", "2");
    let mut deliveries = bench.consume("q", 10);
    let delivery = next(&mut deliveries);
    assert_eq!(&*delivery.message.exchange, "e");
    assert_eq!(&*delivery.message.routing_key, "a.b");
    assert_eq!(delivery.message.properties.message_id, Some(uuid::Uuid::from_u128(7)));
    assert_eq!(delivery.message.properties.headers.text("traceparent"), Some("00-1"));
    assert!(!delivery.redelivered);
    assert_eq!(body(&next(&mut deliveries)), "2");
    delivery.ack();
}

#[test]
fn prefetch_bounds_what_is_in_hand() {
    let bench = Bench::new(queue("q"));
    for number in 0..5 {
        bench.publish("", "q", &number.to_string());
    }
    let mut deliveries = bench.consume("q", 2);
    let (one, _two) = (next(&mut deliveries), next(&mut deliveries));
    let bell = waits(&mut deliveries);
    assert_eq!(bench.bus.depth("q"), Some((3, 2)));
    one.ack();
    assert_eq!(bell.rings(), 1, "settling makes room");
    assert_eq!(body(&next(&mut deliveries)), "2");
}

#[test]
fn competing_consumers_share() {
    let bench = Bench::new(queue("q"));
    let (mut one, mut two) = (bench.consume("q", 1), bench.consume("q", 1));
    let (bell_one, bell_two) = (waits(&mut one), waits(&mut two));
    bench.publish("", "q", "1");
    bench.publish("", "q", "2");
    assert_eq!((bell_one.rings(), bell_two.rings()), (1, 1), "one message wakes one consumer");
    let (first, second) = (next(&mut one), next(&mut two));
    assert_eq!((body(&first), body(&second)), ("1".into(), "2".into()));
}

#[test]
fn the_wake_up_of_a_consumer_that_is_dropped_goes_to_another() {
    let bench = Bench::new(queue("q"));
    let (mut one, mut two) = (bench.consume("q", 1), bench.consume("q", 1));
    let (bell_one, bell_two) = (waits(&mut one), waits(&mut two));
    bench.publish("", "q", "1");
    assert_eq!((bell_one.rings(), bell_two.rings()), (1, 0));
    drop(one);
    assert_eq!(bell_two.rings(), 1);
    assert_eq!(body(&next(&mut two)), "1");
}

#[test]
fn a_consumer_without_room_is_not_woken_in_place_of_one_with_room() {
    let bench = Bench::new(queue("q"));
    let (mut one, mut two) = (bench.consume("q", 2), bench.consume("q", 2));
    bench.publish("", "q", "1");
    bench.publish("", "q", "2");
    let first = next(&mut one);
    let second = next(&mut one);
    second.reject(true);
    let second = next(&mut one);
    // `one` waits, and finds something without having been woken: its hands are full while it is in the line.
    first.ack();
    let bell_one = waits(&mut one);
    let bell_two = waits(&mut two);
    bench.publish("", "q", "3");
    let third = next(&mut one);
    waits(&mut one);
    bench.publish("", "q", "4");
    assert_eq!(bell_two.rings(), 1, "the fourth wakes the one with room");
    assert_eq!(bell_one.rings(), 1);
    assert_eq!(body(&next(&mut two)), "4");
    drop((second, third));
}

#[test]
fn a_consumer_that_is_busy_is_not_woken_in_place_of_one_that_waits() {
    let bench = Bench::new(queue("q"));
    let (mut one, mut two) = (bench.consume("q", 9), bench.consume("q", 9));
    let bell_one = waits(&mut one);
    let bell_two = waits(&mut two);
    bench.publish("", "q", "1");
    assert_eq!(bell_one.rings(), 1);
    // `two` looks by chance, takes it, and is now busy although it still stands in the line.
    let held = next(&mut two);
    let bell_one = waits(&mut one);
    bench.publish("", "q", "2");
    assert_eq!(bell_two.rings(), 0);
    assert_eq!(bell_one.rings(), 1);
    held.ack();
}

#[test]
fn rejected_messages_come_back_in_their_place_and_flagged() {
    let bench = Bench::new(queue("q"));
    for number in 1..=4 {
        bench.publish("", "q", &number.to_string());
    }
    let mut deliveries = bench.consume("q", 0);
    let (one, two, three) = (next(&mut deliveries), next(&mut deliveries), next(&mut deliveries));
    three.reject(true);
    one.reject(true);
    drop(two);
    let seen: Vec<_> = std::iter::from_fn(|| try_next(&mut deliveries))
        .map(|delivery| {
            let seen = (body(&delivery), delivery.redelivered);
            delivery.ack();
            seen
        })
        .collect();
    let expected = [("1", true), ("2", true), ("3", true), ("4", false)];
    assert_eq!(seen, expected.map(|(body, redelivered)| (body.to_owned(), redelivered)));
    assert!(bench.bus.is_idle());
}

#[test]
fn what_a_consumer_leaves_behind_wakes_another() {
    let bench = Bench::new(queue("q"));
    bench.publish("", "q", "1");
    bench.publish("", "q", "2");
    let mut one = bench.consume("q", 0);
    let held = [next(&mut one), next(&mut one)];
    let mut two = bench.consume("q", 0);
    let bell = waits(&mut two);
    drop((one, held));
    assert_eq!(bell.rings(), 1);
    let (first, second) = (next(&mut two), next(&mut two));
    assert_eq!((body(&first), body(&second)), ("1".into(), "2".into()));
    assert!(first.redelivered && second.redelivered);
}

#[test]
fn what_is_in_hand_can_be_settled_after_the_stream_is_dropped() {
    let bench = Bench::new(queue("q"));
    bench.publish("", "q", "1");
    let mut deliveries = bench.consume("q", 0);
    let held = next(&mut deliveries);
    drop(deliveries);
    assert!(bench.drain("q").is_empty(), "it is still in hand");
    assert!(!bench.bus.is_idle());
    held.ack();
    assert_eq!(bench.bus.depth("q"), Some((0, 0)));
    assert!(bench.bus.is_idle());
}

#[test]
fn every_queue_has_its_own_copy() {
    let bench = Bench::new(bound(ExchangeKind::Fanout, "e", &[("", "a"), ("", "b")]));
    bench.publish("e", "", "1");
    let (mut a, mut b) = (bench.consume("a", 1), bench.consume("b", 1));
    next(&mut a).ack();
    assert_eq!(body(&next(&mut b)), "1");
}

#[test]
fn closing_ends_streams_and_refuses_the_rest() {
    let bench = Bench::new(queue("q"));
    let mut deliveries = bench.consume("q", 1);
    let bell = waits(&mut deliveries);
    bench.bus.close().now_or_never().expect("nothing to wait for");
    bench.bus.close().now_or_never().expect("closing again is no harm");
    assert_eq!(bell.rings(), 1);
    assert!(matches!(poll(&mut deliveries, &bell), Poll::Ready(None)));
    assert_eq!(kind(bench.try_publish(message("", "q", "1"))), ErrorKind::Closed);
    assert_eq!(kind(bench.declare(queue("q"))), ErrorKind::Closed);
    assert_eq!(bench.try_consume("q", 1).err().unwrap().kind(), ErrorKind::Closed);
}

#[test]
fn a_bus_that_is_dropped_ends_its_streams() {
    let bench = Bench::new(queue("q"));
    let mut deliveries = bench.consume("q", 1);
    let bell = waits(&mut deliveries);
    drop(bench);
    assert_eq!(bell.rings(), 1);
    assert!(matches!(poll(&mut deliveries, &bell), Poll::Ready(None)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_doubled_between_publishers_and_consumers_that_come_and_go() {
    const PUBLISHERS: usize = 4;
    const EACH: usize = 2_000;
    let bench = Arc::new(Bench::new(queue("q")));
    let handled = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut consumers = tokio::task::JoinSet::new();
    for number in 0..8_u16 {
        let (bench, handled) = (Arc::clone(&bench), Arc::clone(&handled));
        consumers.spawn(async move {
            loop {
                let mut deliveries = bench.consume("q", 1 + number % 3);
                for turn in 0..50 {
                    let Some(delivery) = deliveries.next().await else {
                        return;
                    };
                    if turn % 7 == 3 {
                        delivery.reject(true);
                    } else {
                        handled.lock().unwrap().push(body(&delivery));
                        delivery.ack();
                    }
                }
            }
        });
    }
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let bench = Arc::clone(&bench);
        publishers.spawn(async move {
            for number in 0..EACH {
                let message = message("", "q", &format!("{publisher}-{number}"));
                bench.bus.publish(message).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    publishers.join_all().await;
    let done = async {
        while handled.lock().unwrap().len() < PUBLISHERS * EACH {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), done).await.expect("a wake-up was lost");
    bench.bus.close().await;
    consumers.join_all().await;
    let mut handled = std::mem::take(&mut *handled.lock().unwrap());
    handled.sort_unstable();
    handled.dedup();
    assert_eq!(handled.len(), PUBLISHERS * EACH);
}
