//! Settling of deliveries.

use crate::conformance::{
    Bench, Feature,
    bench::{number, numbered, seeded},
};
use bloodbank_core::transport::{Delivery, topology::DeadLetterTo};

/// A delivery that is rejected with requeue comes again, whole and marked as redelivered.
pub async fn sends_again_what_is_rejected(bench: &mut Bench) {
    let (exchange, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 1).await;
    let message = numbered(&exchange, "some.key", 7);
    let id = message.properties.message_id;
    bench.publish(message).await;
    for attempt in 0..5 {
        let delivery = subscription.next().await;
        assert_eq!(delivery.redelivered, attempt > 0, "attempt {attempt}: redelivered");
        assert_eq!(number(&delivery), 7);
        assert_eq!(delivery.message.properties.message_id, id);
        assert_eq!(delivery.message.exchange, exchange);
        assert_eq!(&*delivery.message.routing_key, "some.key");
        if attempt == 4 {
            delivery.ack();
        } else {
            delivery.reject(true);
        }
    }
    drop(subscription);
    bench.reopen().await;
    bench.assert_empty(&queue).await;
}

/// A delivery that is dropped unsettled comes back, while its consumer goes on.
pub async fn brings_back_a_dropped_delivery(bench: &mut Bench) {
    let (exchange, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 1).await;
    bench.publish_numbers(&exchange, "some.key", 0..2).await;
    let first = number(&subscription.next().await);
    let mut numbers = vec![];
    for _ in 0..2 {
        let delivery = subscription.next().await;
        assert_eq!(delivery.redelivered, number(&delivery) == first, "{delivery:?}: redelivered");
        numbers.push(number(&delivery));
        delivery.ack();
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1]);
}

/// With prefetch 1 nothing is delivered while one delivery is unsettled, and others may have the rest.
pub async fn waits_for_the_ack_with_prefetch_one(bench: &mut Bench) {
    let (exchange, queue) = bench.events().await;
    let mut narrow = bench.subscribe(&queue, 1).await;
    bench.publish(numbered(&exchange, "some.key", 0)).await;
    let held = narrow.next().await;
    bench.publish_numbers(&exchange, "some.key", 1..6).await;
    assert!(narrow.now().is_none(), "prefetch 1 and one delivery unsettled");
    // All others come here; so none was on its way to the first.
    let mut wide = bench.subscribe(&queue, 5).await;
    assert_eq!(wide.take(3).await, [1, 2, 3]);
    let others = [wide.next().await, wide.next().await];
    assert_eq!(others.each_ref().map(number), [4, 5]);
    assert!(narrow.now().is_none(), "prefetch 1 and one delivery unsettled");

    drop(others);
    drop(wide);
    assert_eq!(number(&held), 0);
    held.ack();
    let mut rest = narrow.take(2).await;
    rest.sort_unstable();
    assert_eq!(rest, [4, 5]);
}

/// Errors of every kind in between stop neither the consumer nor the messages behind them.
pub async fn continues_after_errors(bench: &mut Bench) {
    const MESSAGES: usize = 300;
    let (exchange, parked) = bench.events().await;
    let queue = bench
        .queue(&bench.name("failing"))
        .dead_letter(DeadLetterTo { exchange: "".into(), routing_key: Some(parked.clone()) });
    let queue = bench.bound(&exchange, queue, &[]).await;
    let mut subscription = bench.subscribe(&queue, 10).await;
    bench.publish_numbers(&"".into(), &queue, 0..MESSAGES).await;

    let mut done = Vec::new();
    while done.len() < MESSAGES {
        let delivery = subscription.next().await;
        let number = number(&delivery);
        match (number % 4, delivery.redelivered) {
            (0, _) => {
                delivery.reject(false);
                done.push(number);
            }
            (1, false) => delivery.reject(true),
            (2, false) => drop(delivery),
            (_, _) => {
                delivery.ack();
                done.push(number);
            }
        }
    }
    done.sort_unstable();
    assert!(done.into_iter().eq(0..MESSAGES), "each is done once");
    let rejected = bench.subscribe(&parked, 10).await.take(MESSAGES / 4).await;
    assert!(rejected.into_iter().eq((0..MESSAGES).step_by(4)), "what was rejected is parked, in order");
    drop(subscription);
    bench.reopen().await;
    bench.assert_empty(&queue).await;
    bench.assert_empty(&parked).await;
}

/// Acknowledgements in any order hit exactly what they are for: the three that are held come back, the others do not.
pub async fn acknowledges_in_any_order(bench: &mut Bench) {
    const MESSAGES: usize = 200;
    let held = [0, 77, 198];
    let (mut random, seed) = seeded();
    let (exchange, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 200).await;
    bench.publish_numbers(&exchange, "some.key", 0..MESSAGES).await;
    let mut deliveries = Vec::new();
    while deliveries.len() < MESSAGES {
        deliveries.push(subscription.next().await);
    }
    random.shuffle(&mut deliveries);
    let (kept, others): (Vec<Delivery>, Vec<Delivery>) =
        deliveries.into_iter().partition(|delivery| held.contains(&number(delivery)));
    for delivery in others {
        delivery.ack();
    }
    drop(subscription);
    drop(kept);

    let mut subscription = bench.subscribe(&queue, 10).await;
    let mut again = Vec::new();
    for _ in held {
        let delivery = subscription.next().await;
        assert!(delivery.redelivered, "seed {seed}: {delivery:?}: redelivered");
        again.push(number(&delivery));
        delivery.ack();
    }
    again.sort_unstable();
    assert_eq!(again, held, "seed {seed}");
    drop(subscription);
    bench.reopen().await;
    bench.assert_empty(&queue).await;
}

/// A delivery can be settled when its subscription has ended: handlers finish while a service stops. One that is not
/// settled comes back.
pub async fn settles_after_the_subscription(bench: &mut Bench) {
    let (exchange, parked) = bench.events().await;
    let queue = bench
        .queue(&bench.name("queue"))
        .dead_letter(DeadLetterTo { exchange: "".into(), routing_key: Some(parked.clone()) });
    let queue = bench.bound(&exchange, queue, &[]).await;
    let mut subscription = bench.subscribe(&queue, 10).await;
    bench.publish_numbers(&"".into(), &queue, 0..20).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(subscription.next().await);
    }
    drop(subscription);
    // These come back by themselves; the four are still in hand.
    let mut subscription = bench.subscribe(&queue, 10).await;
    let mut rest = subscription.take(16).await;
    rest.sort_unstable();
    assert!(rest.into_iter().eq(4..20), "what was not handed out");

    settle_each_way(held);
    let mut back = subscription.take(2).await;
    back.sort_unstable();
    assert_eq!(back, [1, 3], "rejected with requeue, and dropped");
    assert_eq!(bench.subscribe(&parked, 1).await.take_one().await, 2, "rejected without requeue");
    drop(subscription);
    bench.reopen().await;
    bench.assert_empty(&queue).await;
}

/// Settling after the transport has closed does nothing, and does not panic; what was in hand comes back to the next.
pub async fn settles_after_closing_without_harm(bench: &mut Bench) {
    let (exchange, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 10).await;
    bench.publish_numbers(&exchange, "some.key", 0..4).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(subscription.next().await);
    }
    let transport = bench.transport();
    bench.within("closing", transport.close()).await;
    settle_each_way(held);
    assert!(subscription.next_or_end().await.is_none(), "the deliveries end with their transport");
    drop((subscription, transport));
    if bench.has(Feature::Durable) {
        bench.reopen().await;
        let mut back = bench.subscribe(&queue, 10).await.take(4).await;
        back.sort_unstable();
        assert_eq!(back, [0, 1, 2, 3]);
    }
}

/// Acknowledges the first, rejects the second with requeue, the third without, drops the fourth.
fn settle_each_way(deliveries: Vec<Delivery>) {
    for (place, delivery) in deliveries.into_iter().enumerate() {
        match place % 4 {
            0 => delivery.ack(),
            1 => delivery.reject(true),
            2 => delivery.reject(false),
            _ => drop(delivery),
        }
    }
}
