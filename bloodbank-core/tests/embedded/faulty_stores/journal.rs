//! A journal with a fault, on that of an embedded bus in a file.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use bloodbank_core::{
    Result,
    message::{Headers, Outgoing},
    store::{Journal, JournalEntries, JournalEntry, JournalQuery, Position},
};
use bloodbank_testing::conformance::stores::{JournalFixture, StoreFixture};
use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use uuid::Uuid;

use super::{Faulty, TIMEOUT};
use crate::store_conformance::EmbeddedStores;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JournalFault {
    InventsATip,
    NewestFirst,
    LosesHeaders,
    BeginsAfterTheOffset,
    IgnoresOffsets,
    IgnoresTimes,
    CountsBeforeTheQuery,
    IgnoresPatterns,
    MatchesRoutingKeys,
    IgnoresExchanges,
    IgnoresSince,
    IgnoresUntil,
    IgnoresBefore,
    IgnoresTypes,
    IgnoresSources,
    IgnoresCauses,
    IgnoresIds,
    IgnoresTexts,
    ReadsInsteadOfFollowing,
    FollowsFromTheStart,
    GetsTheOldest,
    Follows,
    ReadsOnePage,
    ReadsAfterClosing,
    EndsInsteadOfAnError,
    Renumbers,
}

/// The bus, and how often it was opened.
pub(crate) struct Bus {
    stores: EmbeddedStores,
    opened: AtomicU64,
}

impl Faulty<JournalFault, Bus> {
    fn bus(&self) -> &Bus {
        self.inner.get_or_init(|| Arc::new(Bus { stores: EmbeddedStores::in_file(), opened: AtomicU64::new(0) }))
    }
}

impl StoreFixture<dyn Journal> for Faulty<JournalFault, Bus> {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Journal>>> {
        Box::pin(async {
            let inner = self.bus().stores.open().await?;
            let opened = self.bus().opened.fetch_add(1, SeqCst);
            Ok(Arc::new(FaultyJournal { fault: self.fault, inner, opened }) as _)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        match self.fault {
            JournalFault::ReadsAfterClosing => std::future::ready(()).boxed(),
            _ => StoreFixture::<dyn Journal>::close(&self.bus().stores),
        }
    }

    fn timeout(&self) -> Duration {
        TIMEOUT
    }
}

impl JournalFixture for Faulty<JournalFault, Bus> {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<()>> {
        self.bus().stores.publish(message)
    }
}

#[derive(Clone)]
struct FaultyJournal {
    fault: JournalFault,
    inner: Arc<dyn Journal>,
    opened: u64,
}

impl FaultyJournal {
    fn is(&self, fault: JournalFault) -> bool {
        self.fault == fault
    }

    /// Takes away from a query what the journal ignores.
    fn forget(&self, query: &mut JournalQuery) {
        match self.fault {
            JournalFault::IgnoresPatterns => query.pattern = None,
            JournalFault::IgnoresExchanges => query.exchange = None,
            JournalFault::IgnoresSince => query.since = None,
            JournalFault::IgnoresUntil => query.until = None,
            JournalFault::IgnoresBefore => query.before = None,
            JournalFault::IgnoresTypes => query.types.clear(),
            JournalFault::IgnoresSources => query.source = None,
            JournalFault::IgnoresCauses => query.caused_by = None,
            JournalFault::IgnoresIds => query.event_id = None,
            JournalFault::IgnoresTexts => query.text = None,
            _ => {}
        }
    }

    fn broken(&self, mut entry: JournalEntry) -> JournalEntry {
        match self.fault {
            JournalFault::LosesHeaders => entry.message.properties.headers = Headers::default(),
            JournalFault::Renumbers => entry.offset += self.opened,
            _ => {}
        }
        entry
    }

    async fn all(self, query: JournalQuery, from: Position) -> Result<Vec<JournalEntry>> {
        let entries = self.inner.read(query, from).map_ok(|entry| self.broken(entry));
        let mut entries: Vec<JournalEntry> = entries.try_collect().await?;
        match (self.fault, from) {
            (JournalFault::NewestFirst, _) => entries.reverse(),
            (JournalFault::ReadsOnePage, _) => entries.truncate(500),
            (JournalFault::BeginsAfterTheOffset, Position::Offset(offset)) => {
                entries.retain(|entry| entry.offset > offset);
            }
            _ => {}
        }
        Ok(entries)
    }
}

impl Journal for FaultyJournal {
    fn describe(&self) -> String {
        "faulty".to_owned()
    }

    fn read(&self, mut query: JournalQuery, mut from: Position) -> JournalEntries {
        match (self.fault, from) {
            (JournalFault::IgnoresOffsets, Position::Offset(_)) | (JournalFault::IgnoresTimes, Position::Time(_)) => {
                from = Position::Start;
            }
            _ => self.forget(&mut query),
        }
        let journal = self.clone();
        match self.fault {
            JournalFault::Follows => {
                // Asks again after the end of the last one.
                let unfold = stream::try_unfold((journal, query, from), |(journal, query, from)| async move {
                    let mut page = journal.inner.read(query.clone(), from);
                    let next = page.try_next().await?;
                    Ok(next.map(|entry| {
                        let from = Position::Offset(entry.offset + 1);
                        (entry, (journal, query, from))
                    }))
                });
                unfold.boxed()
            }
            JournalFault::MatchesRoutingKeys => {
                let pattern = query.pattern.take();
                let entries = self.inner.read(query, from);
                let matches = move |entry: &JournalEntry| {
                    pattern.as_ref().is_none_or(|pattern| pattern.matches(&entry.message.routing_key))
                };
                entries.try_filter(move |entry| std::future::ready(matches(entry))).boxed()
            }
            JournalFault::CountsBeforeTheQuery if matches!(from, Position::Last(_)) => {
                let entries = self.inner.read(JournalQuery::all(), from);
                let passes = move |entry: &JournalEntry| {
                    query.pattern.as_ref().is_none_or(|pattern| pattern.matches(entry.event_type()))
                        && query.exchange.as_deref().is_none_or(|exchange| exchange == &*entry.message.exchange)
                };
                entries.try_filter(move |entry| std::future::ready(passes(entry))).boxed()
            }
            JournalFault::EndsInsteadOfAnError => {
                self.inner.read(query, from).take_while(|entry| std::future::ready(entry.is_ok())).boxed()
            }
            JournalFault::ReadsAfterClosing | JournalFault::GetsTheOldest | JournalFault::InventsATip => {
                self.inner.read(query, from)
            }
            _ => stream::once(journal.all(query, from))
                .map_ok(|entries| stream::iter(entries).map(Ok))
                .try_flatten()
                .boxed(),
        }
    }

    fn follow(&self, mut query: JournalQuery, from: Position) -> JournalEntries {
        self.forget(&mut query);
        match self.fault {
            JournalFault::ReadsInsteadOfFollowing => self.inner.read(query, from),
            JournalFault::FollowsFromTheStart => self.inner.follow(query, Position::Start),
            _ => self.inner.follow(query, from),
        }
    }

    fn get(&self, event_id: Uuid) -> BoxFuture<'_, Result<Option<JournalEntry>>> {
        if !self.is(JournalFault::GetsTheOldest) {
            return self.inner.get(event_id);
        }
        Box::pin(async move {
            let entries: Vec<JournalEntry> =
                self.inner.read(JournalQuery::all(), Position::Start).try_collect().await?;
            Ok(entries.into_iter().find(|entry| entry.message.properties.message_id == Some(event_id)))
        })
    }

    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        self.inner.floor()
    }

    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        if self.is(JournalFault::InventsATip) { Box::pin(async { Ok(Some(0)) }) } else { self.inner.tip() }
    }
}
