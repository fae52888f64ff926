//! What is in which segment, and how a journal goes on.

use std::time::Duration;

use bloodbank::{
    Bus, ErrorKind,
    message::{ForeignProperties, HeaderValue},
    store::{Journal, JournalQuery, Position},
};
use bloodbank_archive::{Archived, Archiver, SegmentLimits};
use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use crate::{
    Folder, assert_same, entries,
    given::{Given, entry},
    lines, offsets, shared, whole,
};

impl Folder {
    pub(crate) fn archiver(&self, source: &Given) -> Archiver {
        Archiver::new(self.archive.clone()).source(shared(source.clone()))
    }

    pub(crate) async fn archive(&self, source: &Given, limits: SegmentLimits) -> bloodbank::Result<Archived> {
        self.archiver(source).limits(limits).run_once(&Bus::embedded()).await
    }
}

pub(crate) fn of_events(events: usize) -> SegmentLimits {
    SegmentLimits::default().events(events)
}

fn name(day: &str, first: u64, last: u64) -> String {
    format!("date={day}/{first:020}-{last:020}.parquet")
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_published_comes_back_whole() {
    let (folder, source) = (Folder::new(), Given::default());
    let mut odd: Vec<_> = (0..8).map(entry).collect();
    odd[0].message.body = vec![0xff, 0, 0x7f].into();
    odd[1].message.body = br#"{"event_id":"x\u0000"}"#.to_vec().into();
    odd[1].message.properties.headers.set("nul", "a\0b");
    odd[2].message.properties.message_id = None;
    odd[3].message.properties.headers.set("half", HeaderValue::Float(0.5));
    odd[3].message.properties.app_id = Some("a\0b".into());
    odd[4].message.properties.foreign =
        Some(Box::new(ForeignProperties::default().content_type(Some("text/plain".into()))));
    odd[4].message.routing_key = "".into();
    odd[5].published_at = "+12025-01-31T12:00:00.123456Z".parse().unwrap();
    odd[6].published_at = DateTime::<Utc>::MIN_UTC;
    odd[7].message.body = vec![b'x'; 9_000_000].into();
    source.push(odd.clone());
    let done = folder.archive(&source, SegmentLimits::default()).await.unwrap();
    assert_eq!(done.events, 8);
    assert_same(&whole(&folder.archive).await, &lines(&odd));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_closed_by_number_by_bytes_and_by_the_end_of_a_day() {
    let folder = Folder::new();
    let source = Given::of(0..25);
    folder.archive(&source, of_events(10)).await.unwrap();
    let day = "1970-01-01";
    assert_eq!(folder.files(), [name(day, 0, 9), name(day, 10, 19), name(day, 20, 24)]);
    // A later run with other limits goes on where the last segment ends.
    source.push((25..40).map(entry));
    folder.archive(&source, SegmentLimits::default().bytes(11)).await.unwrap();
    assert_eq!(folder.files()[3..], [name(day, 25, 30), name(day, 31, 36), name(day, 37, 39)]);
    // An entry of the day before does not close the segment, and one of the next day does.
    let at = |offset, time: &str| {
        let mut entry = entry(offset);
        entry.published_at = time.parse().unwrap();
        entry
    };
    let times = ["01-02T23:59:59Z", "01-03T00:00:01Z", "01-02T23:59:58Z", "01-03T00:00:02Z", "01-04T00:00:00Z"];
    source.push((40..).zip(times).map(|(offset, time)| at(offset, &format!("1970-{time}"))));
    folder.archive(&source, SegmentLimits::default()).await.unwrap();
    let days = [name("1970-01-02", 40, 40), name("1970-01-03", 41, 43), name("1970-01-04", 44, 44)];
    assert_eq!(folder.files()[6..], days);
    assert_same(&whole(&folder.archive).await, &whole(&source).await);
    let since = |time: &str| Position::Time(format!("1970-{time}").parse().unwrap());
    assert_eq!(offsets(&folder.archive, JournalQuery::all(), since("01-02T23:59:58Z")).await, [40, 41, 42, 43, 44]);
    assert_eq!(offsets(&folder.archive, JournalQuery::all(), since("01-03T00:00:02Z")).await, [43, 44]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_segment_is_closed_when_it_is_old_enough_and_lag_is_known() {
    let (folder, source) = (Folder::new(), Given::of(0..3));
    let stop = CancellationToken::new();
    let limits = SegmentLimits::default().age(Duration::from_millis(50));
    let running = tokio::spawn(folder.archiver(&source).limits(limits).run(Bus::embedded(), stop.clone()));
    for tip in [2, 5] {
        crate::troubles::soon(async || folder.archive.tip().await.unwrap() == Some(tip)).await;
        source.push((tip + 1..tip + 4).map(entry));
    }
    stop.cancel();
    running.await.unwrap().unwrap();
    let status = folder.archive.status().await.unwrap();
    assert_eq!(status.missing, []);
    assert!(status.segments >= 2 && status.bytes > 100, "{status:?}");
    let last = status.range.unwrap().1;
    assert_eq!((status.lag(Some(last)), status.lag(Some(last + 7)), status.lag(None)), (0, 7, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_without_an_entry_are_no_gap() {
    let (folder, source) = (Folder::new(), Given::default());
    source.push([2, 3, 7, 8, 15].map(entry));
    folder.archive(&source, of_events(2)).await.unwrap();
    source.push([21].map(entry));
    folder.archive(&source, of_events(2)).await.unwrap();
    assert_eq!(offsets(&folder.archive, JournalQuery::all(), Position::Start).await, [2, 3, 7, 8, 15, 21]);
    assert_eq!(folder.archive.status().await.unwrap().missing, []);
    assert_eq!(folder.archive.floor().await.unwrap(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn archiving_again_changes_nothing() {
    let (folder, source) = (Folder::new(), Given::of(0..250));
    let first = folder.archive(&source, of_events(100)).await.unwrap();
    assert_eq!((first.events, first.segments), (250, 3));
    let again = folder.archive(&source, of_events(30)).await.unwrap();
    assert_eq!((again.events, again.segments), (0, 0));
    // The same entries are the same bytes.
    let other = Folder::new();
    other.archive(&source, of_events(100)).await.unwrap();
    for file in folder.files() {
        let bytes = |folder: &Folder| std::fs::read(folder.folder.path().join(&file)).unwrap();
        assert_eq!(bytes(&folder), bytes(&other), "{file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_lost_is_a_gap_that_readers_are_told_of() {
    let (folder, source) = (Folder::new(), Given::of(0..10));
    folder.archive(&source, of_events(4)).await.unwrap();
    source.push((10..30).map(entry));
    source.forget_before(20);
    folder.archive(&source, of_events(4)).await.unwrap();
    assert_eq!(folder.archive.status().await.unwrap().missing, [(10, 19)]);
    for from in [Position::Start, Position::Offset(9), Position::Last(11)] {
        let error = entries(&folder.archive, JournalQuery::all(), from).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(error.to_string().contains("no file with the entries 10 to 19"), "{error}");
        assert!(error.to_string().contains("begin again at 20"), "{error}");
    }
    for from in [10, 15, 20] {
        let after = offsets(&folder.archive, JournalQuery::all(), Position::Offset(from)).await;
        assert_eq!(after, (20..30).collect::<Vec<_>>(), "from {from}");
    }
    assert_eq!(offsets(&folder.archive, JournalQuery::all(), Position::Last(10)).await, (20..30).collect::<Vec<_>>());
    assert_eq!(folder.archive.complete_from().await.unwrap(), Some(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_made_again_is_refused() {
    let (folder, source) = (Folder::new(), Given::of(0..10));
    folder.archive(&source, of_events(4)).await.unwrap();
    source.clear();
    source.push((0..3).map(entry));
    let error = folder.archive(&source, of_events(4)).await.unwrap_err().to_string();
    assert!(error.contains("it ends at offset 2, and was archived up to 9"), "{error}");
    source.push((3..20).map(|offset| {
        let mut entry = entry(offset);
        entry.message.properties.message_id = Some(uuid::Uuid::from_u128(1_000));
        entry
    }));
    let error = folder.archive(&source, of_events(4)).await.unwrap_err().to_string();
    assert!(error.contains("its offset 9 has another event") && error.contains("use another archive"), "{error}");
    assert_eq!(offsets(&folder.archive, JournalQuery::all(), Position::Start).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_without_a_journal_is_refused_with_the_remedy() {
    let error = Archiver::new(Folder::new().archive).run_once(&Bus::embedded()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(error.to_string().contains("set BLOODBANK_EMBEDDED_PATH to a file"), "{error}");
}
