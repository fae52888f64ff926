//! Routing by pattern: the transport, the matcher and a table written by hand agree.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;

use crate::conformance::{
    Bench,
    bench::{Subscription, binding, numbered, publish_all, seeded},
};
use bloodbank_core::{
    routing,
    settings::QueueKind,
    transport::{Topology, topology::Queue},
};

const KEYS: [&str; 12] = [
    "orders",
    "orders.placed",
    "orders.order.placed",
    "orders.order.failed",
    "orders.order.line.failed",
    "order.placed",
    "placed",
    "fireflies.transcript.ready",
    "fireflies.transcriptReady",
    "a.a.a",
    "a.b.a.b",
    "a1_b2.c_",
];

/// Patterns with the keys that they match, as places in [`KEYS`].
const TABLE: [(&str, &[usize]); 24] = [
    ("#", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("#.#", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("*", &[0, 6]),
    ("*.*", &[1, 5, 8, 11]),
    ("*.*.*", &[2, 3, 7, 9]),
    ("*.#", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("#.*", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ("*.#.*", &[1, 2, 3, 4, 5, 7, 8, 9, 10, 11]),
    ("orders", &[0]),
    ("orders.*", &[1]),
    ("orders.#", &[0, 1, 2, 3, 4]),
    ("orders.#.failed", &[3, 4]),
    ("orders.*.failed", &[3]),
    ("orders.*.#", &[1, 2, 3, 4]),
    ("#.failed", &[3, 4]),
    ("#.placed", &[1, 2, 5, 6]),
    ("*.placed", &[1, 5]),
    ("#.order.#", &[2, 3, 4, 5]),
    ("fireflies.*", &[8]),
    ("fireflies.transcript.ready", &[7]),
    ("a.#.a", &[9]),
    ("#.a.#.b.#", &[10]),
    ("a.*.a.*", &[10]),
    ("a1_b2.c_", &[11]),
];

/// One queue for each pattern, and what each of them received of these keys.
async fn route(bench: &mut Bench, exchange: &Arc<str>, patterns: &[Vec<&str>], keys: &[&str]) -> Vec<BTreeSet<String>> {
    let mut topology = Topology::events(exchange);
    let mut names = Vec::new();
    for (place, patterns) in patterns.iter().enumerate() {
        let name: Arc<str> = format!("{exchange}.{place}").into();
        topology.queues.push(Queue::new(Arc::clone(&name), QueueKind::Transient));
        topology.bindings.extend(patterns.iter().map(|pattern| binding(exchange, &name, pattern)));
        names.push(name);
    }
    bench.declare(topology).await;
    let mut subscriptions = Vec::new();
    for name in &names {
        subscriptions.push(bench.subscribe(name, 100).await);
    }
    let messages = keys.iter().map(|key| numbered(exchange, key, 0).body(Bytes::copy_from_slice(key.as_bytes())));
    let matched = |key: &str| patterns.iter().flatten().any(|pattern| routing::matches(pattern, key));
    let answers = publish_all(&*bench.transport(), messages.collect(), bench.timeout()).await;
    for (key, answer) in keys.iter().zip(answers) {
        let unrouted = answer.expect("the broker confirms").unrouted;
        assert_eq!(unrouted, Some(!matched(key)), "`{key}` is reported as unrouted");
    }
    for name in &names {
        bench.publish(numbered(&"".into(), name, 0)).await;
    }
    let mut received = Vec::new();
    for (name, subscription) in names.iter().zip(&mut subscriptions) {
        received.push(keys_until(name, subscription).await);
    }
    received
}

/// The keys that arrive before the one that is the name of the queue.
async fn keys_until(name: &str, subscription: &mut Subscription) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    loop {
        let delivery = subscription.next().await;
        let key = delivery.message.routing_key.to_string();
        if key == name {
            return keys;
        }
        assert_eq!(delivery.message.body, key.as_bytes());
        delivery.ack();
        assert!(keys.insert(key.clone()), "`{key}` is delivered once, however many bindings match");
    }
}

/// Patterns and keys with answers written by hand: `*` is one word, `#` none or more.
pub async fn routes_by_the_table(bench: &mut Bench) {
    let exchange = bench.name("events");
    let patterns: Vec<Vec<&str>> = TABLE.iter().map(|(pattern, _)| vec![*pattern]).collect();
    let received = route(bench, &exchange, &patterns, &KEYS).await;
    for ((pattern, places), received) in TABLE.iter().zip(received) {
        let expected: BTreeSet<String> = places.iter().map(|place| KEYS[*place].to_owned()).collect();
        assert_eq!(received, expected, "what `{pattern}` receives");
        let by_matcher: BTreeSet<String> =
            KEYS.iter().filter(|key| routing::matches(pattern, key)).map(|key| (*key).to_owned()).collect();
        assert_eq!(by_matcher, expected, "what the matcher says of `{pattern}`");
    }
}

/// Random patterns and random keys: the transport routes as [`routing::matches`] says.
///
/// The seed is in the message of a failure; `BLOODBANK_CONFORMANCE_SEED` takes it.
pub async fn routes_random_keys_as_the_matcher_does(bench: &mut Bench) {
    const ROUNDS: usize = 4;
    const QUEUES: usize = 25;
    const KEYS: usize = 120;
    let (mut random, seed) = seeded();
    for round in 0..ROUNDS {
        // Few words, so that they meet; most patterns alone on their queue, so that each is seen.
        let patterns: Vec<Vec<String>> = (0..QUEUES)
            .map(|queue| {
                let count = if queue % 5 == 0 { 4 } else { 1 };
                (0..count).map(|_| words(&mut random, &["a", "b", "*", "*", "#", "#"])).collect()
            })
            .collect();
        let keys: BTreeSet<String> = (0..KEYS).map(|_| words(&mut random, &["a", "b", "c"])).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let patterns: Vec<Vec<&str>> =
            patterns.iter().map(|patterns| patterns.iter().map(String::as_str).collect()).collect();
        let exchange = bench.name(&format!("events{round}"));
        let received = route(bench, &exchange, &patterns, &keys).await;
        for (patterns, received) in patterns.iter().zip(received) {
            let expected: BTreeSet<String> = keys
                .iter()
                .filter(|key| patterns.iter().any(|pattern| routing::matches(pattern, key)))
                .map(|key| (*key).to_owned())
                .collect();
            assert_eq!(received, expected, "seed {seed}: what a queue with {patterns:?} receives");
        }
    }
}

/// One to six words.
fn words(random: &mut fastrand::Rng, from: &[&str]) -> String {
    let words: Vec<&str> = (0..=random.usize(0..6)).map(|_| from[random.usize(0..from.len())]).collect();
    words.join(".")
}
