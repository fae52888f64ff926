//! A store that is slow or fails, archivers that run side by side, and places that cannot be used.

use std::{
    sync::{Arc, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use bloodbank::{
    Bus, ErrorKind,
    store::{Journal, JournalQuery, Position},
};
use bloodbank_archive::{Archive, Archiver, SegmentLimits, object_store::path::Path};
use tokio_util::sync::CancellationToken;

use crate::{
    Folder, assert_same,
    given::{Given, entry},
    offsets,
    segments::of_events,
    shared,
    troubled_store::{Trouble, TroubledStore},
    whole,
};

/// Waits until something is so.
pub(crate) async fn soon(is_so: impl AsyncFn() -> bool) {
    let until = Instant::now() + Duration::from_secs(120);
    while !is_so().await {
        assert!(Instant::now() < until, "it does not become so");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Folder {
    /// The archive in this folder, by way of a store with troubles.
    pub(crate) fn troubled(&self, store: TroubledStore) -> Archive {
        let root = Path::from_absolute_path(self.folder.path()).unwrap();
        Archive::in_store(Arc::new(store), root, "of the test")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_slow_and_fails_costs_nothing() {
    let (folder, source) = (Folder::new(), Given::of(0..100));
    let store = TroubledStore::new(Trouble::Fails(10));
    let failed = Arc::clone(&store.failed);
    let troubled = folder.troubled(store);
    let stop = CancellationToken::new();
    let limits = of_events(20).age(Duration::from_millis(20));
    let bus = Bus::embedded();
    let archiver = Archiver::new(troubled).source(shared(source.clone())).limits(limits);
    let running = tokio::spawn(archiver.run(bus.clone(), stop.clone()));
    soon(async || failed.load(SeqCst) > 0).await;
    source.push((100..200).map(entry));
    soon(async || folder.archive.tip().await.unwrap() == Some(199)).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    println!("{} requests failed", failed.load(SeqCst));
    assert_same(&whole(&folder.archive).await, &whole(&source).await);
    assert_eq!(folder.archive.status().await.unwrap().missing, []);
    let slow = folder.troubled(TroubledStore::new(Trouble::Slow(Duration::from_millis(20))));
    source.push((200..300).map(entry));
    Archiver::new(slow.clone()).source(shared(source.clone())).limits(of_events(9)).run_once(&bus).await.unwrap();
    assert_same(&whole(&slow).await, &whole(&source).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_is_said_in_the_health_and_named() {
    let (folder, source) = (Folder::new(), Given::of(0..5));
    let troubled = folder.troubled(TroubledStore::new(Trouble::Fails(1)));
    let bus = Bus::embedded();
    let once = Archiver::new(troubled.clone()).source(shared(source.clone())).run_once(&bus).await.unwrap_err();
    assert_eq!(once.kind(), ErrorKind::Storage);
    assert!(once.to_string().contains("the archive of the test cannot be listed: "), "{once}");
    assert!(once.to_string().contains("503 Slow Down; check BLOODBANK_ARCHIVE"), "{once}");
    let stop = CancellationToken::new();
    let running = tokio::spawn(Archiver::new(troubled).source(shared(source)).run(bus.clone(), stop.clone()));
    soon(async || bus.health().reasons.iter().any(|reason| reason.contains("the given journal is not archived: ")))
        .await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn several_archivers_at_once_write_the_same_segments() {
    let (folder, source) = (Folder::new(), Given::of(0..50));
    let stop = CancellationToken::new();
    let archivers: Vec<_> = [3, 5, 7, 11]
        .map(|events| {
            // Each with other limits, and another pace.
            let store = folder.troubled(TroubledStore::new(Trouble::Slow(Duration::from_millis(events as u64))));
            let limits = SegmentLimits::default().events(events).age(Duration::from_millis(30));
            let archiver = Archiver::new(store).source(shared(source.clone())).limits(limits);
            tokio::spawn(archiver.run(Bus::embedded(), stop.clone()))
        })
        .into();
    for begin in (50..1_000).step_by(50) {
        source.push((begin..begin + 50).map(entry));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    soon(async || folder.archive.tip().await.unwrap() == Some(999)).await;
    stop.cancel();
    for archiver in archivers {
        archiver.await.unwrap().unwrap();
    }
    assert_eq!(offsets(&folder.archive, JournalQuery::all(), Position::Start).await, (0..1_000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let archive = Archive::open(file.join("archive").to_str().unwrap()).unwrap();
    let once = Archiver::new(archive).source(shared(Given::of(0..5))).run_once(&Bus::embedded()).await.unwrap_err();
    assert_eq!(once.kind(), ErrorKind::Storage);
    let text = once.to_string();
    assert!(text.contains("of the archive ") && text.contains("file/archive cannot be "), "{text}");
    let empty = Archive::open(folder.path().join("none").to_str().unwrap()).unwrap();
    assert_eq!(empty.tip().await.unwrap(), None, "a folder that is not there is an empty archive");
}
