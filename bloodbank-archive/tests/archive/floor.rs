//! The archive and its journal as one: reading across the floor.

use std::sync::Arc;

use bloodbank::{
    Bus, Replay, Settings,
    prelude::*,
    store::{ArchivedJournal, Journal, JournalEntries, JournalEntry, JournalQuery, Position},
};
use bloodbank_archive::{Archive, Archiver};
use futures_util::{StreamExt, future::BoxFuture};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::{
    Folder, entries,
    given::{Given, entry, second},
    offsets,
    segments::of_events,
    shared,
};

fn across(folder: &Folder, live: &Given) -> ArchivedJournal {
    ArchivedJournal::new(Arc::new(folder.archive.clone()), Some(shared(live.clone())))
}

fn range(offsets: std::ops::Range<u64>) -> Vec<u64> {
    offsets.collect()
}

/// 0 to 59 are archived, 40 to 79 are live.
async fn overlapping() -> (Folder, Given) {
    let (folder, live) = (Folder::new(), Given::of(0..60));
    folder.archive(&live, of_events(7)).await.unwrap();
    live.push((60..80).map(entry));
    live.forget_before(40);
    (folder, live)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_has_no_more_comes_from_the_archive_once_and_in_order() {
    let (folder, live) = overlapping().await;
    let journal = across(&folder, &live);
    let all = JournalQuery::all;
    assert_eq!(offsets(&journal, all(), Position::Start).await, range(0..80));
    for from in [0, 1, 39, 40, 41, 59, 60, 79] {
        assert_eq!(offsets(&journal, all(), Position::Offset(from)).await, range(from..80), "from {from}");
        assert_eq!(offsets(&journal, all(), Position::Time(second(from))).await, range(from..80), "since {from}");
    }
    assert!(offsets(&journal, all(), Position::Offset(80)).await.is_empty());
    for count in [0, 1, 39, 40, 41, 79, 80, usize::MAX] {
        let first = 80_u64.saturating_sub(count.try_into().unwrap_or(u64::MAX));
        assert_eq!(offsets(&journal, all(), Position::Last(count)).await, range(first..80), "the last {count}");
    }
    for before in [0, 1, 39, 40, 41, 60, 80, 100] {
        assert_eq!(offsets(&journal, all().before(before), Position::Start).await, range(0..before.min(80)));
        let page = offsets(&journal, all().before(before), Position::Last(3)).await;
        assert_eq!(page, range(before.min(80).saturating_sub(3)..before.min(80)), "a page before {before}");
    }
    for id in [5, 45, 70] {
        assert_eq!(journal.get(Uuid::from_u128(id)).await.unwrap().unwrap().offset, id as u64);
    }
    assert_eq!((journal.floor().await.unwrap(), journal.tip().await.unwrap()), (Some(0), Some(79)));
    assert_eq!(journal.complete_from().await.unwrap(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_from_the_archive_comes_to_what_is_published_later() {
    let (folder, live) = overlapping().await;
    let journal = across(&folder, &live);
    for (from, first) in
        [(Position::Start, 0), (Position::Last(60), 20), (Position::Last(3), 77), (Position::Last(0), 80)]
    {
        let mut following = journal.follow(JournalQuery::all(), from);
        let begun = live.tip().await.unwrap().unwrap() + 1;
        let first = first + (begun - 80) * u64::from(first > 0);
        for expected in first..begun {
            assert_eq!(following.next().await.unwrap().unwrap().offset, expected, "{from:?}");
        }
        let next = tokio::spawn(async move { following.next().await.unwrap().unwrap().offset });
        tokio::task::yield_now().await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        live.push([entry(begun)]);
        assert_eq!(next.await.unwrap(), begun, "{from:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_wait_in_front_of_removed_ones_hide_nothing() {
    let (folder, live) = (Folder::new(), Given::of(0..60));
    folder.archive(&live, of_events(7)).await.unwrap();
    live.push((60..80).map(entry));
    // 0 to 2 still wait in a queue.
    live.forget(3..50);
    assert_eq!(live.floor().await.unwrap(), Some(0));
    let journal = across(&folder, &live);
    assert_eq!(offsets(&journal, JournalQuery::all(), Position::Start).await, range(0..80));
    assert_eq!(offsets(&journal, JournalQuery::all(), Position::Last(32)).await, range(48..80));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_neither_has_is_said_with_its_range() {
    let (folder, live) = overlapping().await;
    live.forget_before(70);
    let journal = across(&folder, &live);
    for from in [Position::Start, Position::Offset(59), Position::Last(11)] {
        let error = entries(&journal, JournalQuery::all(), from).await.unwrap_err().to_string();
        assert!(error.contains("the entries 60 to 69 of the given journal with the archive"), "{from:?}: {error}");
    }
    assert_eq!(offsets(&journal, JournalQuery::all(), Position::Offset(60)).await, range(70..80), "begun behind it");
    assert_eq!(offsets(&journal, JournalQuery::all(), Position::Last(10)).await, range(70..80));
    assert_eq!(offsets(&journal, JournalQuery::all().before(60), Position::Start).await, range(0..60));
    live.clear();
    assert_eq!(offsets(&journal, JournalQuery::all(), Position::Start).await, range(0..60), "the archive alone");
    live.push((0..5).map(entry));
    let error = entries(&journal, JournalQuery::all(), Position::Start).await.unwrap_err().to_string();
    assert!(error.contains("at 4: it is not what was archived"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_while_the_archive_is_read_comes_from_the_archive() {
    let (folder, live) = overlapping().await;
    let journal = across(&folder, &live);
    let mut reading = journal.read(JournalQuery::all(), Position::Start);
    let mut read = Vec::new();
    while let Some(entry) = reading.next().await {
        read.push(entry.unwrap().offset);
        if read.len() == 20 {
            live.forget_before(55);
        }
        if read.len() == 50 {
            folder.archive(&live, of_events(7)).await.unwrap();
            live.forget_before(75);
        }
    }
    assert_eq!(read, range(0..80));
}

/// A journal that removes entries between the question where it begins and the reading.
struct Slipping(Given, u64);

impl Journal for Slipping {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries {
        self.0.forget_before(self.1);
        self.0.read(query, from)
    }

    fn follow(&self, query: JournalQuery, from: Position) -> JournalEntries {
        self.0.forget_before(self.1);
        self.0.follow(query, from)
    }

    fn get(&self, event_id: Uuid) -> BoxFuture<'_, bloodbank::Result<Option<JournalEntry>>> {
        self.0.get(event_id)
    }

    fn floor(&self) -> BoxFuture<'_, bloodbank::Result<Option<u64>>> {
        self.0.floor()
    }

    fn tip(&self) -> BoxFuture<'_, bloodbank::Result<Option<u64>>> {
        self.0.tip()
    }

    fn complete_from(&self) -> BoxFuture<'_, bloodbank::Result<Option<u64>>> {
        self.0.complete_from()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_when_the_journal_is_about_to_be_read_comes_from_the_archive() {
    for from in [Position::Start, Position::Offset(0), Position::Last(80)] {
        let (folder, live) = overlapping().await;
        let slipping = ArchivedJournal::new(shared(folder.archive.clone()), Some(shared(Slipping(live, 55))));
        assert_eq!(offsets(&slipping, JournalQuery::all(), from).await, range(0..80), "{from:?}");
    }
    let (folder, live) = overlapping().await;
    let slipping = ArchivedJournal::new(shared(folder.archive.clone()), Some(shared(Slipping(live, 55))));
    let following = slipping.follow(JournalQuery::all(), Position::Offset(45)).take(35);
    let read: Vec<u64> = following.map(|entry| entry.unwrap().offset).collect().await;
    assert_eq!(read, range(45..80));
}

/// The years that the subscriber was given.
static SEEN: Mutex<Vec<u32>> = Mutex::new(Vec::new());

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "annals.year.archived")]
struct Year {
    year: u32,
}

#[subscriber]
async fn chronicle(event: Year) -> Result<(), HandlerError> {
    SEEN.lock().push(event.year);
    Ok(())
}

/// Removes from the file of a bus what was published first.
async fn remove_oldest(bus: &Bus, path: &std::path::Path, keep: u32) -> u64 {
    let live = bus.live_journal().unwrap();
    let newest: Vec<JournalEntry> = entries(&*live, JournalQuery::all(), Position::Last(keep as usize)).await.unwrap();
    bus.close().await;
    let file = rusqlite::Connection::open(path).unwrap();
    let floor = newest[0].offset;
    file.execute("DELETE FROM messages WHERE id < ?1", [floor.cast_signed()]).unwrap();
    floor
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_begins_in_the_archive_and_ends_in_the_journal() {
    let folder = Folder::new();
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("bus.db");
    let address = folder.folder.path().to_str().unwrap().to_owned();
    let vars =
        || [("BLOODBANK_EMBEDDED_PATH", path.to_str().unwrap().to_owned()), ("BLOODBANK_ARCHIVE", address.clone())];
    let open = async || Bus::connect(Settings::from_vars(vars()).unwrap()).await.unwrap();
    let bus = open().await;
    for year in 0..60 {
        bus.publish(Year { year }).await.unwrap();
    }
    let done = Archiver::new(Archive::open(&address).unwrap()).limits(of_events(7)).run_once(&bus).await.unwrap();
    assert_eq!(done.events, 60);
    for year in 60..80 {
        bus.publish(Year { year }).await.unwrap();
    }
    let floor = remove_oldest(&bus, &path, 35).await;
    let bus = open().await;
    assert_eq!(bus.live_journal().unwrap().floor().await.unwrap(), Some(floor));
    let journal = bus.stores().journal.unwrap();
    assert!(journal.describe().contains(&address), "{}", journal.describe());
    let app = App::new("archive", bus.clone()).subscribe(chronicle).start().await.unwrap();
    let done = Replay::of(&bus, "archive.chronicle").start().finished().await.unwrap();
    assert_eq!(done.sent, 80);
    crate::troubles::soon(async || SEEN.lock().len() >= 80).await;
    let mut seen = SEEN.lock().clone();
    seen.sort_unstable();
    assert_eq!(seen, (0..80).collect::<Vec<_>>());
    app.shutdown().await.unwrap();
}
