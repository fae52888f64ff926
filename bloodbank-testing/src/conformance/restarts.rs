//! Restarts: the broker is killed and started again.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::conformance::{
    Bench,
    bench::{joined, number, numbered},
};

/// 100 publishers, 10,000 messages, the broker killed and started again twice under way: publishers and subscriber go on by
/// themselves, and every message is confirmed in the end and arrives.
pub async fn reconnects_and_loses_nothing(bench: &mut Bench) {
    const PUBLISHERS: usize = 100;
    const EACH: usize = 100;
    const PAUSE: Duration = Duration::from_millis(200);
    let (exchange, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 100).await;
    let confirmed = Arc::new(AtomicUsize::new(0));
    // How many may be confirmed before the next restart: the broker is always killed with publishers at work.
    let allowed = Arc::new(AtomicUsize::new(PUBLISHERS * EACH / 3));
    let mut publishers = Vec::new();
    for publisher in 0..PUBLISHERS {
        let (transport, exchange, timeout) = (bench.transport(), Arc::clone(&exchange), bench.timeout());
        let (confirmed, allowed) = (Arc::clone(&confirmed), Arc::clone(&allowed));
        publishers.push(tokio::spawn(async move {
            let mut pause = PAUSE;
            for number in publisher * EACH..(publisher + 1) * EACH {
                loop {
                    let publishing = transport.publish(numbered(&exchange, "some.key", number));
                    match timeout.wait("an answer to a publish", publishing).await {
                        Ok(published) => {
                            assert_eq!(published.unrouted, Some(false));
                            break;
                        }
                        Err(error) => assert!(error.is_retryable(), "worth another try: {error:?}"),
                    }
                }
                let now = confirmed.fetch_add(1, Ordering::SeqCst);
                // Slower and slower until the broker is back, however long that takes, so that some are left to publish meanwhile.
                let paused = Instant::now();
                while now >= allowed.load(Ordering::SeqCst) && paused.elapsed() < pause {
                    tokio::time::sleep(PAUSE).await;
                }
                pause = if now >= allowed.load(Ordering::SeqCst) { pause * 2 } else { PAUSE };
            }
        }));
    }
    let consumer = tokio::spawn(async move {
        let mut received = BTreeSet::new();
        while received.len() < PUBLISHERS * EACH {
            let delivery = subscription.next().await;
            received.insert(number(&delivery));
            delivery.ack();
        }
        (received, subscription)
    });
    for part in 1..=2 {
        let enough = PUBLISHERS * EACH * part / 3;
        bench.until("a part is confirmed", async || confirmed.load(Ordering::SeqCst) >= enough).await;
        bench.restart_broker().await;
        assert!(confirmed.load(Ordering::SeqCst) < PUBLISHERS * EACH, "publishers were at work all the time");
        allowed.store(PUBLISHERS * EACH * (part + 1) / 3, Ordering::SeqCst);
    }
    for publisher in publishers {
        bench.within("the publishers end", joined(publisher)).await;
    }
    assert_eq!(confirmed.load(Ordering::SeqCst), PUBLISHERS * EACH);
    let (received, subscription) = bench.within("every message arrives", joined(consumer)).await;
    assert!(received.into_iter().eq(0..PUBLISHERS * EACH), "every message, nothing invented");
    drop(subscription);
}

/// A delivery that was unsettled when the broker was killed comes back; settling the old delivery afterwards settles
/// nothing.
pub async fn settles_across_a_restart_without_harm(bench: &mut Bench) {
    const MESSAGES: usize = 20;
    let (exchange, queue) = bench.events().await;
    let mut subscription = bench.subscribe(&queue, 50).await;
    bench.publish_numbers(&exchange, "some.key", 0..MESSAGES).await;
    let mut held = Vec::new();
    for _ in 0..MESSAGES {
        held.push(subscription.next().await);
    }
    bench.restart_broker().await;
    let mut again = vec![subscription.next().await];
    // Their numbers begin again on a new channel: these words must not reach the deliveries of today.
    for delivery in held {
        delivery.ack();
    }
    while again.len() < MESSAGES {
        again.push(subscription.next().await);
    }
    let mut numbers: Vec<usize> = again.iter().map(number).collect();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..MESSAGES));
    drop(subscription);
    drop(again);
    let mut subscription = bench.subscribe(&queue, 50).await;
    let mut numbers = subscription.take(MESSAGES).await;
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..MESSAGES), "not one of them was settled");
    drop(subscription);
    bench.reopen().await;
    bench.assert_empty(&queue).await;
}
