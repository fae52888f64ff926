//! Links with a fault.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bloodbank_core::{
    Error, ErrorKind, Result,
    store::{
        BatchRead, CausationLink, DirectLinkStore, LinkEntry, LinkStore, MalformedEntry, UnrecordedLinks,
        memory::MemoryLinks,
    },
};
use bloodbank_testing::conformance::stores::StoreFixture;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::{Faulty, TIMEOUT};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkFault {
    SortsParents,
    LosesMetadata,
    RoundsTimes,
    LosesSome,
    LosesRoots,
    InventsEntries,
    SortsAnswers,
    SkipsStrangers,
    RepeatsChildren,
    KeepsTheFirst,
    CutsChildren,
    CutsAnswers,
    FailsItsProbe,
    HasAnotherClock,
    ForgetsWhenReopened,
    InsertsLate,
    SaysItMissed,
    FindsNoParents,
    FindsTooMuch,
    ErasesParents,
}

struct FaultyLinks {
    fault: LinkFault,
    inner: Arc<MemoryLinks>,
    count: AtomicUsize,
    missed: UnrecordedLinks,
    written_again: Mutex<HashSet<Uuid>>,
}

impl StoreFixture<dyn DirectLinkStore> for Faulty<LinkFault, MemoryLinks> {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn DirectLinkStore>>> {
        Box::pin(async {
            let new = || Arc::new(MemoryLinks::new(100_000, Duration::from_secs(600)));
            let kept = Arc::clone(self.inner.get_or_init(new));
            let inner = if self.fault == LinkFault::ForgetsWhenReopened { new() } else { kept };
            let (fault, count, missed) = (self.fault, AtomicUsize::new(0), UnrecordedLinks::default());
            let written_again = Mutex::default();
            Ok(Arc::new(FaultyLinks { fault, inner, count, missed, written_again }) as _)
        })
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }
}

impl FaultyLinks {
    fn is(&self, fault: LinkFault) -> bool {
        self.fault == fault
    }

    async fn keep(&self, mut link: CausationLink) -> Result<()> {
        let count = self.count.fetch_add(1, SeqCst);
        match self.fault {
            LinkFault::SortsParents => link.parents.sort_unstable(),
            LinkFault::LosesMetadata => link.metadata = None,
            LinkFault::RoundsTimes => link.created_at = link.created_at.trunc_subsecs(0),
            LinkFault::LosesSome if count.is_multiple_of(10) => return Ok(()),
            LinkFault::ErasesParents if link.parents.is_empty() => {
                self.written_again.lock().expect("nobody panics").insert(link.child);
            }
            LinkFault::LosesRoots if link.parents.is_empty() => return Ok(()),
            LinkFault::KeepsTheFirst if self.inner.entries(&[link.child]).await?.values[0].is_some() => return Ok(()),
            _ => {}
        }
        self.inner.write(&[link]).await.map(drop)
    }
}

impl LinkStore for FaultyLinks {
    fn describe(&self) -> String {
        "faulty".to_owned()
    }

    fn write<'a>(&'a self, links: &'a [CausationLink]) -> BoxFuture<'a, Result<Vec<MalformedEntry>>> {
        Box::pin(async move {
            for link in links {
                self.keep(link.clone()).await?;
            }
            Ok(Vec::new())
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async {
            if self.is(LinkFault::FailsItsProbe) { Err(Error::new(ErrorKind::Storage, "no")) } else { Ok(()) }
        })
    }

    fn entries<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Option<LinkEntry>>>> {
        Box::pin(async move {
            let mut events = events.to_vec();
            if self.is(LinkFault::SortsAnswers) {
                events.sort_unstable();
            }
            let mut read = self.inner.entries(&events).await?;
            match self.fault {
                LinkFault::SkipsStrangers => read.values.retain(Option::is_some),
                LinkFault::CutsAnswers => {
                    for value in read.values.iter_mut().skip(1_000) {
                        *value = None;
                    }
                }
                LinkFault::InventsEntries => {
                    for value in &mut read.values {
                        let parents = Vec::new();
                        value.get_or_insert(LinkEntry { parents, created_at: None, metadata: serde_json::Map::new() });
                    }
                }
                LinkFault::ErasesParents => {
                    let again = self.written_again.lock().expect("nobody panics").clone();
                    for (event, entry) in events.iter().zip(&mut read.values) {
                        if let Some(entry) = entry.as_mut().filter(|_| again.contains(event)) {
                            entry.parents.clear();
                        }
                    }
                }
                _ => {}
            }
            Ok(read)
        })
    }

    fn children<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Vec<Uuid>>>> {
        Box::pin(async move {
            let mut read = self.inner.children(events).await?;
            for children in &mut read.values {
                match self.fault {
                    LinkFault::CutsChildren => children.truncate(10_000),
                    LinkFault::RepeatsChildren => children.extend(children.first().copied()),
                    _ => {}
                }
            }
            Ok(read)
        })
    }

    fn find(&self, first: Uuid, last: Uuid, limit: usize) -> BoxFuture<'_, Result<Vec<Uuid>>> {
        Box::pin(async move {
            let limit = if self.is(LinkFault::FindsTooMuch) { usize::MAX } else { limit };
            let mut found = self.inner.find(first, last, limit).await?;
            if self.is(LinkFault::FindsNoParents) {
                let entries = self.inner.entries(&found).await?.values;
                found = found.into_iter().zip(entries).filter_map(|(event, entry)| entry.map(|_| event)).collect();
            }
            Ok(found)
        })
    }

    fn time(&self) -> BoxFuture<'_, Result<Option<DateTime<Utc>>>> {
        Box::pin(async { Ok(self.is(LinkFault::HasAnotherClock).then(|| Utc::now() - TimeDelta::days(400))) })
    }
}

impl DirectLinkStore for FaultyLinks {
    fn insert(&self, link: CausationLink) {
        if self.is(LinkFault::SaysItMissed) {
            self.missed.link(&link);
        }
        if !self.is(LinkFault::InsertsLate) {
            self.inner.insert(link);
        }
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        self.inner.flush()
    }

    fn missed(&self) -> Option<&UnrecordedLinks> {
        Some(&self.missed)
    }
}
