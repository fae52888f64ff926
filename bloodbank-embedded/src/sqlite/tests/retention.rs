//! Messages that the journal forgets, and those that it keeps.

use crate::sqlite::{journal::FileJournal, tests::*};
use bloodbank_core::store::{Journal, JournalQuery, Position};

async fn bounded(count: u64) -> Bench {
    Bench::with_retention(Retention { count, ..Retention::default() }).await
}

async fn publish_many(bench: &Bench, key: &str, count: usize) {
    futures_util::stream::iter(0..count)
        .for_each_concurrent(100, |number| async move {
            bench.publish(key, &number.to_string()).await.unwrap();
        })
        .await;
}

#[tokio::test]
async fn the_journal_keeps_the_newest_and_what_waits() {
    let mut bench = bounded(10).await;
    bench.publish("a.b", "waits").await.unwrap();
    publish_many(&bench, "unrouted.key", 1_500).await;
    bench.reopen().await;
    assert_eq!(bench.number("SELECT count(*) FROM messages"), 11);
    let journal = FileJournal::new(&bench.bus.engine, &bench.folder.path().join("bus.db"));
    assert_eq!((journal.floor().await.unwrap(), journal.tip().await.unwrap()), (Some(1), Some(1_501)));
    assert_eq!(journal.complete_from().await.unwrap(), Some(1_492), "behind what was removed");
    let waiting = next(&mut bench.consume("q").await).await;
    assert_eq!(body(&waiting), "waits");
    // Nobody refers to it any more: it goes with the next change.
    waiting.ack();
    bench.settled().await;
    bench.settled().await;
    assert_eq!(bench.number("SELECT count(*) FROM messages WHERE body = 'waits'"), 0);
}

#[tokio::test]
async fn a_dead_letter_keeps_its_message_and_two_queues_share_one() {
    let mut bench = bounded(0).await;
    bench
        .bus
        .declare(Topology::default().queues([Queue::new("other", QueueKind::Quorum)]).bindings([Binding {
            exchange: "e".into(),
            queue: "other".into(),
            pattern: "a.*".into(),
        }]))
        .await
        .unwrap();
    bench.publish("a.b", "1").await.unwrap();
    next(&mut bench.consume("q").await).await.reject(false);
    next(&mut bench.consume("other").await).await.ack();
    bench.reopen().await;
    assert_eq!(bench.number("SELECT count(*) FROM messages"), 1);
    let dead = next(&mut bench.consume("q.dlq").await).await;
    assert_eq!(body(&dead), "1");
    assert_eq!(&*dead.message.routing_key, "q.dlq");
    dead.ack();
    bench.reopen().await;
    assert_eq!(bench.number("SELECT count(*) FROM messages"), 0);
    assert_eq!(bench.number("SELECT count(*) FROM entries"), 0);
}

#[tokio::test]
async fn old_messages_go() {
    let mut bench = Bench::new().await;
    publish_many(&bench, "a.b", 5).await;
    bench.bus.close().await;
    let connection = rusqlite::Connection::open(bench.folder.path().join("bus.db")).unwrap();
    connection.execute("UPDATE messages SET published_at = published_at - 8 * 86400 * 1000 WHERE id <= 3", ()).unwrap();
    connection.execute("DELETE FROM entries WHERE message <> 2", ()).unwrap();
    drop(connection);
    bench.bus = open(bench.folder.path(), bench.retention);
    assert_eq!(bench.number("SELECT count(*) FROM messages"), 3);
    assert_eq!(bench.number("SELECT min(id) FROM messages"), 2);
}

#[tokio::test]
async fn a_reader_that_is_left_behind_is_told_what_it_lost() {
    let bench = bounded(1_100).await;
    publish_many(&bench, "unrouted", 1_100).await;
    let journal = FileJournal::new(&bench.bus.engine, &bench.folder.path().join("bus.db"));
    let mut reading = journal.read(JournalQuery::all(), Position::Start);
    let mut following = journal.follow(JournalQuery::all(), Position::Start);
    let first = reading.next().await.unwrap().unwrap();
    assert_eq!((first.offset, following.next().await.unwrap().unwrap().offset), (1, 1));
    // Pruned after every thousand: the first hundreds go, which both have in hand, and some that they have not.
    publish_many(&bench, "unrouted", 1_000).await;
    bench.settled().await;
    let floor = loop {
        match journal.floor().await.unwrap() {
            Some(1) | None => tokio::time::sleep(Duration::from_millis(5)).await,
            Some(floor) => break floor,
        }
    };
    for mut entries in [reading, following] {
        let mut last = 1;
        let error = loop {
            match entries.next().await.expect("an error before the end") {
                Ok(entry) => {
                    assert_eq!(entry.offset, last + 1, "a gap is not told");
                    last = entry.offset;
                }
                Err(error) => break error,
            }
        };
        let lost = format!("the entries {} to {} of {}", last + 1, floor - 1, journal.describe());
        assert!(error.to_string().starts_with(&lost), "{error} is not: {lost}");
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(entries.next().await.is_none());
    }
}
