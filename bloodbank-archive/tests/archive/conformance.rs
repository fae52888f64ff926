//! An archive, and an archive with its journal, pass the conformance suite of journals.

use std::{sync::Arc, time::Duration};

use bloodbank::{
    Bus, Result, Settings,
    message::Outgoing,
    store::{ArchivedJournal, Journal, JournalEntries, JournalEntry, JournalQuery, Position},
    testing::{
        conformance::stores::{JournalFixture, StoreFixture},
        store_conformance_suite,
    },
    transport::{
        Topology,
        topology::{Exchange, ExchangeKind},
    },
};
use bloodbank_archive::{Archive, Archiver, SegmentLimits};
use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Folder, shared};

/// A bus in a file, whose journal is archived in small segments.
struct Kept {
    folder: Folder,
    file: tempfile::TempDir,
    with_journal: bool,
    opened: Mutex<Option<Opened>>,
}

struct Opened {
    bus: Bus,
    archive: Archive,
    closing: CancellationToken,
    archiving: JoinHandle<Result<()>>,
}

impl Kept {
    fn new(with_journal: bool) -> Self {
        Self { folder: Folder::new(), file: tempfile::tempdir().unwrap(), with_journal, opened: Mutex::default() }
    }
}

impl StoreFixture<dyn Journal> for Kept {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Journal>>> {
        Box::pin(async {
            let path = self.file.path().join("bus.db").display().to_string();
            let bus = Bus::connect(Settings::from_vars([("BLOODBANK_EMBEDDED_PATH", path)])?).await?;
            let closing = CancellationToken::new();
            let archive = self.folder.archive.clone().closed_by(closing.clone());
            let limits = SegmentLimits::default().events(45).age(Duration::from_millis(5));
            let archiver = Archiver::new(self.folder.archive.clone()).limits(limits);
            let archiving = tokio::spawn(archiver.run(bus.clone(), closing.clone()));
            let live = bus.live_journal().expect("a file has one");
            *self.opened.lock() = Some(Opened { bus, archive: archive.clone(), closing, archiving });
            Ok(match self.with_journal {
                true => {
                    let live = Forgetful { live, archive: self.folder.archive.clone() };
                    shared(ArchivedJournal::new(shared(archive), Some(shared(live))))
                }
                false => shared(archive),
            })
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let Some(Opened { bus, closing, archiving, .. }) = self.opened.lock().take() else { return };
            closing.cancel();
            archiving.await.expect("it does not panic").expect("it has begun");
            bus.close().await;
        })
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(180)
    }
}

impl JournalFixture for Kept {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (bus, archive) = {
                let opened = self.opened.lock();
                let opened = opened.as_ref().expect("it was opened");
                (opened.bus.clone(), opened.archive.clone())
            };
            let exchange = Exchange { name: Arc::clone(&message.exchange), kind: ExchangeKind::Topic };
            bus.transport().declare(Topology::default().exchanges([exchange])).await?;
            bus.transport().publish(message).await?;
            let published = bus.live_journal().expect("a file has one").tip().await?;
            // With the journal behind it, an archive may be late.
            while !self.with_journal && archive.tip().await? < published {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            Ok(())
        })
    }
}

/// A journal that has removed what is archived, apart from the last few entries of it: its floor moves all the time.
#[derive(Clone)]
struct Forgetful {
    live: Arc<dyn Journal>,
    archive: Archive,
}

impl Forgetful {
    const KEPT: u64 = 3;

    async fn begin(self, query: JournalQuery, from: Position, follows: bool) -> Result<JournalEntries> {
        let floor = self.complete_from().await?.unwrap_or_default();
        let from = match from {
            Position::Start => Position::Offset(floor),
            Position::Offset(offset) => Position::Offset(offset.max(floor)),
            from => from,
        };
        let entries = if follows { self.live.follow(query, from) } else { self.live.read(query, from) };
        let is_kept = move |entry: &JournalEntry| entry.offset >= floor;
        Ok(entries.try_filter(move |entry| std::future::ready(is_kept(entry))).boxed())
    }
}

impl Journal for Forgetful {
    fn describe(&self) -> String {
        self.live.describe()
    }

    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries {
        stream::once(self.clone().begin(query, from, false)).try_flatten().boxed()
    }

    fn follow(&self, query: JournalQuery, from: Position) -> JournalEntries {
        stream::once(self.clone().begin(query, from, true)).try_flatten().boxed()
    }

    fn get(&self, event_id: Uuid) -> BoxFuture<'_, Result<Option<JournalEntry>>> {
        async move {
            let floor = self.complete_from().await?;
            Ok(self.live.get(event_id).await?.filter(|entry| Some(entry.offset) >= floor))
        }
        .boxed()
    }

    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        self.complete_from()
    }

    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        self.live.tip()
    }

    fn complete_from(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        async move {
            let archived = self.archive.tip().await?.unwrap_or_default();
            Ok(self.live.floor().await?.map(|floor| floor.max((archived + 1).saturating_sub(Self::KEPT))))
        }
        .boxed()
    }
}

store_conformance_suite! {
    mod archive;
    journal: Kept::new(false), durable;
}

store_conformance_suite! {
    mod archive_and_journal;
    journal: Kept::new(true), durable;
}
