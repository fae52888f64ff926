//! What a writer copies, forgets and refuses, from a journal that the test writes itself.

use bloodbank::{
    Bus, ErrorKind,
    routing::BindingPattern,
    store::{Journal, JournalEntry, JournalQuery, Position},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::StreamExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{bench::Bench, given::entry};
use crate::database::execute;

/// Everything that an entry is.
fn whole(entries: &[JournalEntry]) -> Vec<serde_json::Value> {
    entries.iter().map(|entry| json!([entry, entry.message.body.to_vec()])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_published_comes_back_whole() {
    let bench = Bench::new().await;
    let mut odd: Vec<_> = (0..6).map(entry).collect();
    odd[0].message.body = vec![0xff, 0, 0x7f].into();
    odd[1].message.body = br#"{"event_id":"x\u0000"}"#.to_vec().into();
    odd[1].message.properties.headers.set("nul", "a\0b");
    odd[2].message.properties.message_id = None;
    odd[3].message.properties.app_id = Some("a\0b".into());
    odd[4].message.properties.event_type = Some("orders.\0.placed".into());
    odd[5].published_at = "+12025-01-31T12:00:00.123Z".parse().unwrap();
    bench.source.push(odd.clone());
    assert_eq!(bench.copy().await.unwrap(), 6);
    assert_eq!(whole(&bench.read(JournalQuery::all(), Position::Start).await), whole(&odd));
    let found = async |query| bench.offsets(query, Position::Start).await;
    assert_eq!(found(JournalQuery::all().source("a\0b")).await, [3]);
    assert_eq!(found(JournalQuery::all().types(["orders.\0.placed"])).await, [4]);
    // What PostgreSQL cannot hold does not stop the writer.
    let mut nul = entry(6);
    nul.message.routing_key = "orders.\0".into();
    let mut old = entry(7);
    old.published_at = DateTime::<Utc>::MIN_UTC;
    bench.source.push([nul, old]);
    assert_eq!(bench.copy().await.unwrap(), 2);
    let rest = bench.read(JournalQuery::all(), Position::Offset(6)).await;
    assert_eq!(&*rest[0].message.routing_key, "orders.\u{fffd}");
    assert_eq!(rest[1].offset, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_is_found_although_clocks_of_publishers_differ() {
    let bench = Bench::new().await;
    let at = |second| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
    let times = [10, 50, 20, 30, 60, 40];
    bench.source.push((0..6).zip(times).map(|(offset, time)| {
        let mut entry = entry(offset);
        entry.published_at = at(time);
        entry
    }));
    bench.copy().await.unwrap();
    for (since, expected) in
        [(0, &[0, 1, 2, 3, 4, 5][..]), (15, &[1, 2, 3, 4, 5]), (40, &[1, 4, 5]), (55, &[4]), (61, &[])]
    {
        assert_eq!(bench.offsets(JournalQuery::all(), Position::Time(at(since))).await, expected, "since {since}");
        let last = bench.offsets(JournalQuery::all().since(at(since)), Position::Last(10)).await;
        assert_eq!(last, expected, "the last since {since}");
    }
    let between = JournalQuery::all().since(at(20)).until(at(50) + TimeDelta::nanoseconds(1));
    assert_eq!(bench.offsets(between, Position::Start).await, [1, 2, 3, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_find_the_same_among_few_types_and_among_many() {
    const TYPES: u64 = 300;
    let bench = Bench::new().await;
    let typed = |offset: u64| {
        let mut entry = entry(offset);
        entry.message.routing_key = format!("orders.t{}.placed", offset % TYPES).into();
        entry
    };
    let pattern = |text| JournalQuery::all().pattern(BindingPattern::parse(text).unwrap());
    let of_a_type = async || bench.offsets(pattern("orders.t7.*"), Position::Start).await;
    bench.source.push((0..100).map(typed));
    bench.copy().await.unwrap();
    assert_eq!(of_a_type().await, [7]);
    assert_eq!(bench.offsets(pattern("*.t7.#"), Position::Last(3)).await, [7]);
    bench.source.push((100..1_300).map(typed));
    bench.copy().await.unwrap();
    assert_eq!(of_a_type().await, [7, 307, 607, 907, 1207], "more types than are looked up one by one");
    assert_eq!(bench.offsets(pattern("*.t7.#"), Position::Last(2)).await, [907, 1207]);
    assert_eq!(bench.offsets(pattern("orders.#"), Position::Start).await.len(), 1_300);
    let two = JournalQuery::all().types(["orders.t299.placed", "orders.t0.placed"]);
    assert_eq!(bench.offsets(two.clone(), Position::Last(3)).await, [899, 900, 1199, 1200][1..]);
    assert_eq!(bench.offsets(two, Position::Start).await.len(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn copying_again_changes_nothing() {
    let bench = Bench::new().await;
    bench.source.push((0..2_500).map(entry));
    assert_eq!(bench.copy().await.unwrap(), 2_500);
    assert_eq!(bench.copy().await.unwrap(), 0);
    // As where the progress was restored from an older backup than the rows.
    execute(&bench.pool, "UPDATE bloodbank_journal_progress SET next_offset = 1000").await;
    assert_eq!(bench.copy().await.unwrap(), 1_500);
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Start).await, (0..2_500).collect::<Vec<_>>());
    let status = bench.status().await;
    assert_eq!((status.range, status.next, status.lost.len()), (Some((0, 2_499)), Some(2_500), 0));
    assert_eq!((status.lag(Some(2_499)), status.lag(Some(2_600)), status.lag(None)), (0, 101, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_lost_is_recorded_and_readers_are_told() {
    let bench = Bench::new().await;
    bench.source.push((5..10).map(entry));
    bench.copy().await.unwrap();
    assert_eq!(bench.status().await.lost, [], "what was there never is not lost");
    let mut last = bench.journal.follow(JournalQuery::all(), Position::Last(1));
    assert_eq!(last.next().await.unwrap().unwrap().offset, 9);
    bench.source.clear();
    bench.source.push((20..25).map(entry));
    assert_eq!(bench.copy().await.unwrap(), 5);
    // Offsets that never were entries.
    bench.source.push((30..32).map(entry));
    bench.copy().await.unwrap();
    assert_eq!(bench.status().await.lost, [(10, 19)]);
    let told = |error: bloodbank::Error| {
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.to_string().starts_with("the entries 10 to 19 of the journal in PostgreSQL"), "{error}");
    };
    for from in [Position::Start, Position::Offset(7), Position::Time(DateTime::UNIX_EPOCH)] {
        let mut reading = bench.journal.read(JournalQuery::all(), from);
        let mut last = 0;
        let error = loop {
            match reading.next().await.expect("it is told") {
                Ok(entry) => last = entry.offset,
                Err(error) => break error,
            }
        };
        assert_eq!(last, 9, "{from:?}");
        told(error);
        assert!(reading.next().await.is_none(), "it ends after an error");
    }
    for from in [10, 15, 20] {
        let after = bench.offsets(JournalQuery::all(), Position::Offset(from)).await;
        assert_eq!(after, [20, 21, 22, 23, 24, 30, 31], "from {from}");
    }
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Last(8)).await, [9, 20, 21, 22, 23, 24, 30, 31]);
    let mut following = bench.journal.follow(JournalQuery::all(), Position::Offset(9));
    assert_eq!(following.next().await.unwrap().unwrap().offset, 9);
    told(following.next().await.unwrap().unwrap_err());
    told(last.next().await.unwrap().unwrap_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_was_made_again_is_refused() {
    let bench = Bench::new().await;
    bench.source.push((0..10).map(entry));
    bench.copy().await.unwrap();
    bench.source.clear();
    bench.source.push((0..3).map(entry));
    let error = bench.copy().await.unwrap_err();
    assert!(error.to_string().contains("it ends at offset 2, and was copied up to 9"), "{error}");
    assert!(error.to_string().contains("TRUNCATE"), "{error}");
    // It has become longer than the copy.
    bench.source.push((3..20).map(|offset| {
        let mut entry = entry(offset);
        entry.message.properties.message_id = Some(Uuid::from_u128(1_000));
        entry
    }));
    let error = bench.copy().await.unwrap_err();
    assert!(error.to_string().contains("its offset 9 has another event than the copy"), "{error}");
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Start).await, (0..10).collect::<Vec<_>>());
    execute(&bench.pool, "UPDATE bloodbank_journal_progress SET source = 'the stream of others'").await;
    let error = bench.copy().await.unwrap_err();
    assert!(error.to_string().contains("the stream of others, and the bus has the given journal"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_waits_until_the_first_one_ends() {
    let bench = Bench::new().await;
    bench.source.push((0..10).map(entry));
    let first = CancellationToken::new();
    let running = tokio::spawn(bench.writer().run(Bus::embedded(), first.clone()));
    bench.written(10).await;
    let error = bench.copy().await.unwrap_err();
    assert!(error.to_string().contains("another writer is copying the journal"), "{error}");
    let second = CancellationToken::new();
    let waiting = tokio::spawn(bench.writer().run(Bus::embedded(), second.clone()));
    // A given journal is followed as it was at the beginning: the first one does not see these.
    bench.source.push((10..20).map(entry));
    first.cancel();
    running.await.unwrap().unwrap();
    bench.written(20).await;
    second.cancel();
    waiting.await.unwrap().unwrap();
    assert_eq!(bench.offsets(JournalQuery::all(), Position::Start).await, (0..20).collect::<Vec<_>>());
}
