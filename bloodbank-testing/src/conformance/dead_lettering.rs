//! Dead-lettering of messages that are rejected, expired or delivered too often.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::conformance::{
    Bench,
    bench::{binding, exchange, number, numbered},
};
use bloodbank_core::{
    message::names,
    transport::{
        Delivery, Topology,
        topology::{DEAD_LETTER_EXCHANGE, DeadLetterTo, ExchangeKind, Queue, dead_letter_queue},
    },
};

/// A queue whose given-up messages go to an exchange.
fn giving_up(queue: Queue, exchange: &str, routing_key: Option<&str>) -> Queue {
    queue.dead_letter(DeadLetterTo { exchange: exchange.into(), routing_key: routing_key.map(Into::into) })
}

/// Checks the headers in which the broker says why a queue first gave a message up.
fn assert_first_death(delivery: &Delivery, reason: &str, queue: &str, exchange: &str) {
    let headers = &delivery.message.properties.headers;
    assert_eq!(headers.text("x-first-death-reason"), Some(reason), "{headers:?}");
    assert_eq!(headers.text("x-first-death-queue"), Some(queue), "{headers:?}");
    assert_eq!(headers.text("x-first-death-exchange"), Some(exchange), "{headers:?}");
}

/// A message that is rejected without requeue goes to the dead-letter exchange, with the key that the queue says or its
/// own, whole, and with the reason in its headers.
pub async fn sends_rejected_messages_to_the_dead_letter_exchange(bench: &mut Bench) {
    let events = bench.exchange("events", ExchangeKind::Topic).await;
    let direct = bench.exchange("direct", ExchangeKind::Direct).await;
    let topic = bench.exchange("topic", ExchangeKind::Topic).await;
    let parked = bench.queue(&bench.name("parked"));
    let parked = bench.bound(&direct, parked, &["given-up"]).await;
    let others = bench.queue(&bench.name("others"));
    let others = bench.bound(&topic, others, &["orders.#"]).await;
    let ways = [
        (giving_up(bench.queue(&bench.name("direct")), &direct, Some("given-up")), &parked),
        (giving_up(bench.queue(&bench.name("default")), "", Some(&parked)), &parked),
        (giving_up(bench.queue(&bench.name("topic")), &topic, None), &others),
    ];
    for (queue, target) in ways {
        let to = queue.dead_letter.clone().expect("each of them has one");
        let name = Arc::clone(&queue.name);
        // One of them alone is bound, and keeps the key.
        let mut message = if to.routing_key.is_none() {
            bench.bound(&events, queue, &["orders.placed"]).await;
            numbered(&events, "orders.placed", 1)
        } else {
            bench.bound(&events, queue, &[]).await;
            numbered(&"".into(), &name, 1)
        };
        message.properties.headers.set("shop", "north");
        message.properties.correlation_id = message.properties.message_id;
        let sent = message.clone();
        bench.publish(message).await;
        bench.subscribe(&name, 1).await.next().await.reject(false);

        let delivery = bench.subscribe(target, 1).await.next().await;
        assert_eq!(delivery.message.exchange, to.exchange, "`{name}`");
        let key = to.routing_key.unwrap_or(Arc::clone(&sent.routing_key));
        assert_eq!(delivery.message.routing_key, key, "`{name}`");
        assert_eq!(delivery.message.body, sent.body);
        let got = &delivery.message.properties;
        assert_eq!(got.message_id, sent.properties.message_id);
        assert_eq!(got.correlation_id, sent.properties.correlation_id);
        assert_eq!(got.event_type, sent.properties.event_type);
        assert_eq!(got.headers.text("shop"), Some("north"));
        assert_first_death(&delivery, "rejected", &name, &sent.exchange);
        delivery.ack();
    }
}

/// Without a dead-letter exchange, or with one that leads nowhere, a message that is rejected without requeue is gone.
pub async fn drops_rejected_messages_without_a_dead_letter_exchange(bench: &mut Bench) {
    let (exchange, plain) = bench.events().await;
    let nowhere = bench.name("nowhere");
    let dead_end = giving_up(bench.queue(&bench.name("dead-end")), "", Some(&nowhere));
    let dead_end = bench.bound(&exchange, dead_end, &["#"]).await;
    bench.publish_numbers(&exchange, "some.key", 0..10).await;
    for queue in [plain, dead_end] {
        let mut subscription = bench.subscribe(&queue, 2).await;
        for place in 0..10 {
            let delivery = subscription.next().await;
            assert_eq!(number(&delivery), place);
            delivery.reject(false);
        }
        drop(subscription);
        bench.reopen().await;
        bench.assert_empty(&queue).await;
    }
}

/// A message is worth its expiration and no more; then it goes where its queue sends what it gives up, and does not expire
/// there again.
pub async fn expires_messages(bench: &mut Bench) {
    let (exchange, parked) = bench.events().await;
    let queue = giving_up(bench.queue(&bench.name("queue")), "", Some(&parked));
    let queue = bench.bound(&exchange, queue, &[]).await;
    let mut message = numbered(&"".into(), &queue, 1);
    message.properties.expiration = Some(Duration::from_millis(150));
    let begun = Instant::now();
    bench.publish(message).await;
    let mut message = numbered(&"".into(), &queue, 2);
    message.properties.expiration = Some(Duration::from_secs(600));
    bench.publish(message).await;

    let delivery = bench.subscribe(&parked, 1).await.next().await;
    assert!(begun.elapsed() >= Duration::from_millis(145), "after {:?}", begun.elapsed());
    assert_eq!(number(&delivery), 1);
    assert_eq!(delivery.message.properties.expiration, None, "what is parked does not expire");
    assert_first_death(&delivery, "expired", &queue, "");
    delivery.ack();
    assert_eq!(bench.subscribe(&queue, 1).await.take_one().await, 2, "what has not expired is left");
}

/// A copy on a rung of the ladder waits its time and comes back to the queue that its key names, to no other; rejected
/// there, it still says that it first died of expiry.
pub async fn delays_and_returns_to_one_queue(bench: &mut Bench) {
    let (events, bystander) = bench.events().await;
    let name = bench.name("queue");
    let parked = bench.queue(&dead_letter_queue(&name).into());
    let parked = bench.bound(&events, parked, &[]).await;
    let queue = giving_up(bench.queue(&name), "", Some(&parked));
    let queue = bench.bound(&events, queue, &["#"]).await;
    let mut rungs = Vec::new();
    for delay in [Duration::from_millis(900), Duration::from_millis(300)] {
        rungs.push((rung(bench, delay).await, delay));
    }
    let mut subscription = bench.subscribe(&queue, 10).await;
    let begun = Instant::now();
    for (place, (rung, _)) in rungs.iter().enumerate() {
        let mut copy = numbered(rung, &queue, place);
        copy.properties.headers.set(names::ATTEMPT, 2_i64);
        bench.publish(copy).await;
    }
    let mut returned = [false, false];
    for _ in &rungs {
        let delivery = subscription.next().await;
        let place = number(&delivery);
        let (rung, delay) = &rungs[place];
        let elapsed = begun.elapsed();
        assert!(elapsed + Duration::from_millis(5) >= *delay, "{delay:?}, but back after {elapsed:?}");
        assert_eq!(&*delivery.message.exchange, "", "back by way of the default exchange");
        assert_eq!(delivery.message.routing_key, queue);
        assert_eq!(delivery.message.properties.headers.integer(names::ATTEMPT), Some(2));
        assert_first_death(&delivery, "expired", rung, rung);
        returned[place] = true;
        delivery.reject(false);
    }
    assert_eq!(returned, [true, true]);
    bench.assert_empty(&bystander).await;
    let mut subscription = bench.subscribe(&parked, 10).await;
    for _ in &rungs {
        let delivery = subscription.next().await;
        let (rung, _) = &rungs[number(&delivery)];
        assert_first_death(&delivery, "expired", rung, rung);
        delivery.ack();
    }
}

/// A rung like those of the ladder, but of this test alone.
async fn rung(bench: &mut Bench, delay: Duration) -> Arc<str> {
    let name = bench.name(&format!("retry.{}", delay.as_millis()));
    let queue = giving_up(bench.queue(&name), "", None).message_ttl(delay);
    bench
        .declare(
            Topology::default()
                .exchanges([exchange(&name, ExchangeKind::Fanout)])
                .queues([queue])
                .bindings([binding(&name, &name, "")]),
        )
        .await;
    name
}

/// A queue with a delivery limit, and its dead-letter queue on the exchange that all share.
async fn limited(bench: &mut Bench, limit: u32) -> (Arc<str>, Arc<str>) {
    let name = bench.name("queue");
    let shared: Arc<str> = DEAD_LETTER_EXCHANGE.into();
    bench.declare(Topology::default().exchanges([exchange(&shared, ExchangeKind::Direct)])).await;
    let parked = bench.queue(&dead_letter_queue(&name).into());
    let parked = bench.bound(&shared, parked, &[&name]).await;
    let queue = giving_up(bench.queue(&name), &shared, Some(&name)).delivery_limit(limit);
    let queue = bench.bound(&shared, queue, &[]).await;
    (queue, parked)
}

/// A message that is rejected more often than the delivery limit allows is parked, with the broker's reason; the queue goes
/// on.
pub async fn parks_what_is_rejected_too_often(bench: &mut Bench) {
    const LIMIT: u32 = 3;
    let (queue, parked) = limited(bench, LIMIT).await;
    let mut subscription = bench.subscribe(&queue, 1).await;
    bench.publish_numbers(&"".into(), &queue, 0..2).await;
    let mut deliveries = [0; 2];
    // Delivered once, and again as often as the limit says.
    while deliveries != [LIMIT + 1, 1] {
        let delivery = subscription.next().await;
        let number = number(&delivery);
        deliveries[number] += 1;
        assert!(deliveries[0] <= LIMIT + 1, "delivered more often than the limit says");
        match number {
            0 => delivery.reject(true),
            _ => delivery.ack(),
        }
    }
    let delivery = bench.subscribe(&parked, 1).await.next().await;
    assert_eq!(number(&delivery), 0);
    assert_first_death(&delivery, "delivery_limit", &queue, "");
    delivery.ack();
}

/// A message whose consumer goes away every time is parked too.
pub async fn parks_what_ends_its_consumer_too_often(bench: &mut Bench) {
    const LIMIT: u32 = 2;
    let (queue, parked) = limited(bench, LIMIT).await;
    bench.publish(numbered(&"".into(), &queue, 5)).await;
    for place in 0..=LIMIT {
        let mut subscription = bench.subscribe(&queue, 1).await;
        let delivery = subscription.next().await;
        assert_eq!(number(&delivery), 5);
        assert_eq!(delivery.redelivered, place > 0, "delivery {place}: redelivered");
        // First the consumer, as when its process dies.
        drop(subscription);
        drop(delivery);
    }
    let delivery = bench.subscribe(&parked, 1).await.next().await;
    assert_eq!(number(&delivery), 5);
    assert_first_death(&delivery, "delivery_limit", &queue, "");
    delivery.ack();
    bench.assert_empty(&queue).await;
}
