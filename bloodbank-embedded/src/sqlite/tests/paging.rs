//! Queues of which only the beginning is in memory.

use std::collections::BTreeMap;

use futures_util::task::noop_waker;

use crate::{engine::Taken, sqlite::tests::*, wakers::Wakers};

/// More than a queue has in memory, whatever happens to it.
const FEW: usize = 2_500;

/// Puts messages into a queue of a closed file, behind those that it has; their bodies are numbers.
fn insert(bench: &Bench, queue: i64, rank: i64, numbers: std::ops::Range<usize>, expires_at: Option<i64>) {
    let connection = rusqlite::Connection::open(bench.folder.path().join("bus.db")).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF; BEGIN").unwrap();
    let first = "SELECT coalesce(max(seq), ?1 << 48) FROM entries WHERE queue = ?2 AND seq >> 48 = ?1";
    let seq: i64 = connection.query_row(first, [rank, queue], |row| row.get(0)).unwrap();
    let id: i64 = connection.query_row("SELECT coalesce(max(id), 0) FROM messages", (), |row| row.get(0)).unwrap();
    let mut message = connection
        .prepare("INSERT INTO messages VALUES (?1, ?2, NULL, NULL, 'e', 'a.b', ?4, CAST(?3 AS BLOB))")
        .unwrap();
    let mut entry =
        connection.prepare("INSERT INTO entries (queue, seq, message, expires_at) VALUES (?1, ?2, ?3, ?4)").unwrap();
    let priority = if rank < 3 { format!("{{\"priority\":{}}}", 3 - rank) } else { "{}".to_owned() };
    let now = chrono::Utc::now().timestamp_millis();
    let count = numbers.len() as i64;
    for (place, number) in (1..).zip(numbers) {
        message.execute(rusqlite::params![id + place, now, number.to_string(), priority]).unwrap();
        entry.execute(rusqlite::params![queue, seq + place, id + place, expires_at]).unwrap();
    }
    let counted = "INSERT INTO depths VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET messages = messages + ?3";
    connection.execute(counted, [queue, rank, count]).unwrap();
    connection.execute_batch("COMMIT").unwrap();
}

impl Bench {
    /// A bus in whose file so many messages wait in the queue.
    async fn with_backlog(count: usize) -> Self {
        let mut bench = Self::new().await;
        bench.bus.close().await;
        insert(&bench, 1, 0, 0..count, None);
        bench.bus = open(bench.folder.path(), bench.retention);
        bench
    }

    fn in_memory(&self, queue: &str) -> usize {
        let mut state = self.bus.engine.lock();
        let id = state.queue_id(queue).unwrap();
        state.queue(id).unwrap().in_memory()
    }

    async fn declare(&self, queue: Queue) {
        self.bus.declare(Topology::default().queues([queue])).await.unwrap();
    }

    /// Publishes numbers to a queue, many at once and in their order.
    async fn publish_numbers(&self, queue: &str, numbers: std::ops::Range<usize>, priority: Option<u8>) {
        let publishes = numbers.map(|number| {
            let mut properties = Properties::default();
            properties.priority = priority;
            self.bus.publish(Outgoing::new("", queue, Bytes::from(number.to_string())).properties(properties))
        });
        for published in futures_util::future::join_all(publishes).await {
            published.unwrap();
        }
    }

    /// The numbers that wait in a queue, which is empty after this.
    async fn drain(&self, queue: &str) -> Vec<usize> {
        let (waiting, _) = self.bus.depth(queue).unwrap();
        let mut deliveries = self.bus.consume(queue.into(), 100).await.unwrap();
        let mut numbers = Vec::new();
        for _ in 0..waiting {
            let delivery = next(&mut deliveries).await;
            numbers.push(number(&delivery));
            delivery.ack();
        }
        assert_eq!(self.bus.depth(queue), Some((0, 0)));
        numbers
    }
}

fn number(delivery: &Delivery) -> usize {
    body(delivery).parse().unwrap()
}

#[tokio::test]
async fn a_large_backlog_does_not_live_in_memory() {
    const COUNT: usize = 200_000;
    let mut bench = Bench::with_backlog(COUNT).await;
    assert_eq!(bench.bus.depth("q"), Some((COUNT, 0)));
    assert!(bench.in_memory("q") < FEW, "{} are in memory", bench.in_memory("q"));
    bench.publish("a.b", &COUNT.to_string()).await.unwrap();

    let mut deliveries = bench.bus.consume("q".into(), 100).await.unwrap();
    for expected in 0..1_000 {
        let delivery = next(&mut deliveries).await;
        assert_eq!(number(&delivery), expected);
        delivery.ack();
        assert!(bench.in_memory("q") < FEW);
    }
    drop(deliveries);
    bench.reopen().await;
    assert_eq!(bench.bus.depth("q"), Some((COUNT + 1 - 1_000, 0)));
    assert_eq!(number(&next(&mut bench.consume("q").await).await), 1_000);
}

#[tokio::test]
async fn what_nobody_handles_leaves_the_memory() {
    let bench = Bench::new().await;
    for begin in [0, 2_000, 4_000] {
        bench.publish_numbers("q", begin..begin + 2_000, None).await;
    }
    assert_eq!(bench.bus.depth("q"), Some((6_000, 0)));
    assert!(bench.in_memory("q") < FEW, "{} are in memory", bench.in_memory("q"));
    assert_eq!(bench.drain("q").await, (0..6_000).collect::<Vec<_>>());
}

/// Takes, acknowledges, gives back, rejects, publishes, and restarts, in a random order, beside a model of the queue.
#[tokio::test]
async fn the_order_is_kept_whatever_happens_between_memory_and_file() {
    for seed in 1..=2 {
        random_run(seed).await;
    }
}

async fn random_run(seed: u64) {
    let mut bench = Bench::with_backlog(0).await;
    let dead = DeadLetterTo { exchange: "".into(), routing_key: Some("q.dlq".into()) };
    bench.declare(Queue::new("ordered", QueueKind::Quorum).dead_letter(dead)).await;
    bench.bus.close().await;
    insert(&bench, 2, 0, 0..2_500, None);
    bench.bus = open(bench.folder.path(), bench.retention);

    let mut ready: BTreeMap<usize, u32> = (0..2_500).map(|number| (number, 0)).collect();
    let (mut held, mut dead, mut published) = (Vec::new(), Vec::new(), 2_500);
    let mut random = seed;
    let mut below = |bound: usize| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as usize % bound
    };
    let (mut queue, mut consumer) = consumer(&bench);
    for step in 0..3_000 {
        match below(100) {
            0..45 => {
                let taken = take(&bench, queue, consumer);
                let expected = ready.pop_first();
                assert_eq!(taken.map(|(number, returned, _)| (number, returned)), expected, "seed {seed}, step {step}");
                held.extend(taken);
            }
            45..60 if !held.is_empty() => {
                let (_, _, tag) = held.swap_remove(below(held.len()));
                bench.bus.engine.lock().ack(queue, tag, &mut Wakers::default());
            }
            60..80 if !held.is_empty() => {
                let (number, returned, tag) = held.swap_remove(below(held.len()));
                let engine = &bench.bus.engine;
                engine.lock().reject(queue, tag, true, &engine.clock, &mut Wakers::default());
                ready.insert(number, returned + 1);
            }
            80..85 if !held.is_empty() => {
                let (number, _, tag) = held.swap_remove(below(held.len()));
                let engine = &bench.bus.engine;
                engine.lock().reject(queue, tag, false, &engine.clock, &mut Wakers::default());
                dead.push(number);
            }
            85..86 => {
                let count = below(100);
                bench.publish_numbers("ordered", published..published + count, None).await;
                ready.extend((published..published + count).map(|number| (number, 0)));
                published += count;
            }
            // What a browser held comes back uncounted; often it is much.
            86..87 if below(5) == 0 => {
                let mut browser = bench.bus.browse("ordered".into()).await.unwrap();
                let mut seen = Vec::new();
                while let Some(delivery) = browser.next().await.unwrap() {
                    seen.push(delivery);
                }
                assert_eq!(seen.iter().map(number).collect::<Vec<_>>(), ready.keys().copied().collect::<Vec<_>>());
                if below(2) == 0 {
                    seen.reverse();
                }
                for delivery in seen {
                    delivery.reject(true);
                }
            }
            87 if below(10) == 0 => {
                bench.kill([]).await;
                for (number, returned, _) in held.drain(..) {
                    // A message of this run may have been handed out before its mark was kept; here everything was kept.
                    ready.insert(number, returned + 1);
                }
                (queue, consumer) = self::consumer(&bench);
            }
            _ => {}
        }
        let (waiting, unsettled) = bench.bus.depth("ordered").unwrap();
        assert_eq!((waiting, unsettled), (ready.len(), held.len()), "seed {seed}, step {step}");
        assert_eq!(bench.bus.depth("q.dlq"), Some((dead.len(), 0)));
    }
    for (_, _, tag) in held {
        bench.bus.engine.lock().ack(queue, tag, &mut Wakers::default());
    }
    bench.reopen().await;
    assert!(bench.in_memory("ordered") < FEW);
    assert_eq!(bench.drain("ordered").await, ready.into_keys().collect::<Vec<_>>());
    assert_eq!(bench.drain("q.dlq").await, dead);
    bench.settled().await;
    assert_eq!(bench.number("SELECT count(*) FROM entries"), 0);
    assert_eq!(bench.number("SELECT sum(messages) FROM depths"), 0);
}

fn consumer(bench: &Bench) -> (usize, u64) {
    let mut state = bench.bus.engine.lock();
    let queue = state.queue_id("ordered").unwrap();
    (queue, state.add_consumer(queue, 0))
}

/// The number, how often it came back, and the tag of the next message.
fn take(bench: &Bench, queue: usize, consumer: u64) -> Option<(usize, u32, u64)> {
    let engine = &bench.bus.engine;
    let taken = engine.lock().take(queue, consumer, &engine.clock, &noop_waker(), &mut Wakers::default());
    let Taken { entry, .. } = taken?;
    let number = std::str::from_utf8(&entry.message.body).unwrap().parse().unwrap();
    Some((number, entry.returned, entry.seq))
}

/// Keeps the thread that writes from writing until the sender is dropped.
fn hold_the_writer(bench: &Bench) -> std::sync::mpsc::Sender<()> {
    let (release, released) = std::sync::mpsc::channel();
    bench.with_connection(move |_| {
        let _ = released.recv();
    });
    release
}

#[tokio::test]
async fn what_is_in_hand_or_gone_behind_the_head_is_not_read_from_the_file() {
    const TAKEN: usize = 3_000;
    let mut bench = Bench::with_backlog(0).await;
    bench.declare(Queue::new("ordered", QueueKind::Quorum)).await;
    bench.bus.close().await;
    insert(&bench, 2, 0, 0..TAKEN + 500, None);
    bench.bus = open(bench.folder.path(), bench.retention);
    let (queue, consumer) = consumer(&bench);
    let engine = Arc::clone(&bench.bus.engine);
    let writer = hold_the_writer(&bench);

    let taken: Vec<_> = std::iter::from_fn(|| take(&bench, queue, consumer)).take(TAKEN).collect();
    // So many come back that the last of them leave the memory again, and they come in between those in hand.
    let (back, held): (Vec<_>, Vec<_>) = taken.into_iter().partition(|(number, ..)| number % 3 != 1);
    for (_, _, tag) in &back {
        engine.lock().reject(queue, *tag, true, &engine.clock, &mut Wakers::default());
    }
    let (gone, held): (Vec<_>, Vec<_>) = held.into_iter().partition(|(number, ..)| number % 2 == 1);
    for (_, _, tag) in gone {
        engine.lock().ack(queue, tag, &mut Wakers::default());
    }
    assert_eq!(bench.bus.depth("ordered"), Some((back.len() + 500, held.len())));
    // The file knows nothing of all this yet.
    let again: Vec<_> = std::iter::from_fn(|| take(&bench, queue, consumer)).collect();
    let expected: Vec<_> = (0..TAKEN + 500).filter(|number| *number >= TAKEN || number % 3 != 1).collect();
    assert_eq!(again.iter().map(|(number, ..)| *number).collect::<Vec<_>>(), expected);
    assert!(again.iter().all(|(number, returned, _)| *returned == u32::from(*number < TAKEN)));
    drop(writer);

    for (_, _, tag) in again {
        engine.lock().ack(queue, tag, &mut Wakers::default());
    }
    bench.kill([]).await;
    let expected: Vec<_> = held.into_iter().map(|(number, ..)| number).collect();
    assert_eq!(bench.drain("ordered").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_the_file_and_not_confirmed_yet_comes_once() {
    const COUNT: usize = 1_500;
    let mut bench = Bench::with_backlog(0).await;
    bench.declare(Queue::new("ordered", QueueKind::Quorum)).await;
    bench.bus.close().await;
    insert(&bench, 2, 0, 0..COUNT, None);
    bench.bus = open(bench.folder.path(), bench.retention);
    let (queue, consumer) = consumer(&bench);
    let writer = hold_the_writer(&bench);
    let publishing = bench.bus.publish(Outgoing::new("", "ordered", Bytes::from(COUNT.to_string())));
    let taken = {
        let engine = &bench.bus.engine;
        let mut state = engine.lock();
        drop(writer);
        while bench.number("SELECT count(*) FROM entries") <= COUNT as i64 {
            std::thread::sleep(Duration::from_millis(1));
        }
        // It is in the file, and its publisher does not know yet.
        let take = || state.take(queue, consumer, &engine.clock, &noop_waker(), &mut Wakers::default());
        std::iter::from_fn(take).count()
    };
    assert_eq!(taken, COUNT);
    publishing.await.unwrap();
    let last = take(&bench, queue, consumer).map(|(number, ..)| number);
    assert_eq!((last, take(&bench, queue, consumer)), (Some(COUNT), None));
}

#[tokio::test]
async fn the_browsed_goes_back_to_the_file_and_what_is_discarded_is_gone() {
    const COUNT: usize = 5_000;
    let mut bench = Bench::with_backlog(COUNT).await;
    for _ in 0..2 {
        let mut browser = bench.bus.browse("q".into()).await.unwrap();
        let mut held = Vec::new();
        for expected in 0..COUNT {
            assert_eq!(browser.left(), COUNT - expected);
            held.push(browser.next().await.unwrap().expect("it is there"));
            assert_eq!(number(&held[expected]), expected);
        }
        assert!(browser.next().await.unwrap().is_none());
        assert_eq!(bench.bus.depth("q"), Some((0, COUNT)));
        drop(held);
        browser.finish().await.unwrap();
        bench.settled().await;
        assert!(bench.in_memory("q") < FEW, "{} are in memory", bench.in_memory("q"));
    }
    let mut browser = bench.bus.browse("q".into()).await.unwrap();
    let mut held = Vec::new();
    while let Some(delivery) = browser.next().await.unwrap() {
        if number(&delivery).is_multiple_of(10) { held.push(delivery) } else { delivery.ack() }
    }
    drop(held);
    browser.finish().await.unwrap();
    bench.reopen().await;
    assert_eq!(bench.drain("q").await, (0..COUNT).step_by(10).collect::<Vec<_>>());
    bench.settled().await;
    assert_eq!(bench.number("SELECT count(*) FROM entries"), 0);
}

#[tokio::test]
async fn what_expires_in_the_file_is_dead_lettered_in_its_order() {
    const COUNT: usize = 5_000;
    let mut bench = Bench::new().await;
    bench.bus.close().await;
    insert(&bench, 1, 0, 0..COUNT, Some(1));
    bench.bus = open(bench.folder.path(), bench.retention);
    let moved = async {
        while bench.bus.depth("q.dlq") != Some((COUNT, 0)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), moved).await.expect("they expire");
    bench.settled().await;
    assert!(bench.in_memory("q.dlq") < FEW, "{} are in memory", bench.in_memory("q.dlq"));
    assert_eq!(bench.drain("q.dlq").await, (0..COUNT).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_restart_counted_over_the_limit_is_parked_when_it_is_come_to() {
    const COUNT: usize = 3_000;
    let mut bench = Bench::with_backlog(COUNT).await;
    bench.bus.close().await;
    let connection = rusqlite::Connection::open(bench.folder.path().join("bus.db")).unwrap();
    let changed = connection.execute("UPDATE entries SET returned = 2, taken = 1 WHERE seq IN (1, 1500, 2000)", ());
    assert_eq!(changed.unwrap(), 3);
    drop(connection);
    bench.bus = open(bench.folder.path(), bench.retention);
    assert_eq!(bench.bus.depth("q.dlq"), Some((1, 0)), "the first is parked at once");
    let mut deliveries = bench.bus.consume("q".into(), 100).await.unwrap();
    for expected in (0..COUNT).filter(|number| ![0, 1_499, 1_999].contains(number)) {
        let delivery = next(&mut deliveries).await;
        assert_eq!(number(&delivery), expected);
        delivery.ack();
    }
    assert_eq!(bench.drain("q.dlq").await, [0, 1_499, 1_999]);
}

#[tokio::test]
async fn priorities_come_first_from_the_file_too() {
    const EACH: usize = 3_000;
    let mut bench = Bench::new().await;
    let mut queue = Queue::new("urgent", QueueKind::Classic);
    queue.max_priority = Some(3);
    bench.declare(queue).await;
    for (round, priority) in [None, Some(1), Some(9), Some(3)].into_iter().enumerate() {
        bench.publish_numbers("urgent", round * EACH..(round + 1) * EACH, priority).await;
    }
    assert!(bench.in_memory("urgent") < 4 * FEW);
    bench.reopen().await;
    assert!(bench.in_memory("urgent") < FEW);
    bench.publish_numbers("urgent", 4 * EACH..4 * EACH + 1, Some(2)).await;
    let expected = (2 * EACH..4 * EACH).chain([4 * EACH]).chain(EACH..2 * EACH).chain(0..EACH);
    assert_eq!(bench.drain("urgent").await, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date() {
    let mut bench = Bench::new().await;
    let mut queue = Queue::new("urgent", QueueKind::Classic);
    queue.max_priority = Some(3);
    bench.declare(queue).await;
    bench.publish("a.b", "7").await.unwrap();
    bench.publish_numbers("urgent", 0..1, None).await;
    bench.publish_numbers("urgent", 1..2, Some(3)).await;
    bench.publish_numbers("urgent", 2..3, Some(9)).await;
    bench.bus.close().await;
    let connection = rusqlite::Connection::open(bench.folder.path().join("bus.db")).unwrap();
    connection
        .execute_batch(
            "DROP INDEX entries_by_message; DROP INDEX entries_taken; DROP TABLE depths; DROP INDEX messages_by_type;
            UPDATE entries SET seq = message WHERE queue = 2; DELETE FROM meta WHERE key = 'pruned';
            UPDATE meta SET value = 1 WHERE key = 'schema_version'; PRAGMA user_version = 1;",
        )
        .unwrap();
    drop(connection);
    bench.bus = open(bench.folder.path(), bench.retention);
    assert_eq!((bench.bus.depth("q"), bench.bus.depth("urgent")), (Some((1, 0)), Some((3, 0))));
    assert_eq!(bench.drain("q").await, [7]);
    assert_eq!(bench.drain("urgent").await, [1, 2, 0]);
}

#[tokio::test]
async fn what_cannot_be_read_is_delivered_once_it_can() {
    let bench = Bench::with_backlog(3_000).await;
    bench.with_connection(|connection| connection.execute_batch("ALTER TABLE messages RENAME TO hidden").unwrap());
    let mut deliveries = bench.bus.consume("q".into(), 100).await.unwrap();
    let mut received = 0;
    while let Ok(delivery) = tokio::time::timeout(Duration::from_millis(500), deliveries.next()).await {
        let delivery = delivery.unwrap();
        assert_eq!(number(&delivery), received);
        delivery.ack();
        received += 1;
    }
    assert!(received < 3_000);
    assert_eq!(bench.bus.depth("q"), Some((3_000 - received, 0)), "they are not lost");
    bench.with_connection(|connection| connection.execute_batch("ALTER TABLE hidden RENAME TO messages").unwrap());
    for expected in received..3_000 {
        let delivery = next(&mut deliveries).await;
        assert_eq!(number(&delivery), expected);
        delivery.ack();
    }
}
