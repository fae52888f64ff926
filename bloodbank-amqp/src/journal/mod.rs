//! The journal in a RabbitMQ stream, `{exchange}.journal`, which a binding by `#` feeds with every event.
//!
//! - `switch`: making, showing and removing the stream.
//! - `source`: a connection of its own for reading, and consumers on it. What a stream does not know (`basic.get`, `nack`,
//!   `reject`, consuming without acknowledgements) would cost the whole connection, and what consumes for subscribers with it.
//! - `reader`: a position in the stream, across connections.
//! - `watch`: looking for the sign (`journal_sign`) by which publishers know that a stream takes every event.

mod reader;
mod source;
mod switch;
mod watch;

use std::{ops::RangeInclusive, sync::Arc};

use futures_util::{
    StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self},
};
use uuid::Uuid;

pub use self::switch::{JournalRetention, JournalStatus, JournalSwitch};
pub(super) use self::watch::watch_sign;
use self::{reader::Reader, source::StreamSource};
use crate::address::Address;
use bloodbank_core::{
    Result,
    store::{Journal, JournalEntries, JournalEntry, JournalQuery, Position},
};

/// The stream that keeps the events of an exchange.
fn stream_name(exchange: &str) -> String {
    format!("{exchange}.journal")
}

/// The least number of entries that are read at once where the last ones are looked for.
const SMALLEST_WINDOW: u64 = 256;

/// The journal in a stream.
pub(super) struct StreamJournal {
    source: Arc<StreamSource>,
}

impl StreamJournal {
    pub(super) fn new(address: &Arc<Address>, exchange: &str) -> Self {
        Self { source: Arc::new(StreamSource::new(Arc::clone(address), stream_name(exchange))) }
    }

    pub(super) async fn close(&self) {
        self.source.close().await;
    }
}

impl Journal for StreamJournal {
    fn describe(&self) -> String {
        format!("the stream {}", self.source.stream())
    }

    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries {
        let source = Arc::clone(&self.source);
        stream::once(async move {
            let Some(range) = source.range().await? else { return Ok(stream::empty().boxed()) };
            Ok::<_, bloodbank_core::Error>(match from {
                Position::Last(count) => {
                    let entries = last(&source, query, count, range).await?;
                    stream::iter(entries.into_iter().map(Ok)).boxed()
                }
                _ => Reader::new(&source, query, from).until(*range.end()).entries(),
            })
        })
        .try_flatten()
        .boxed()
    }

    fn follow(&self, query: JournalQuery, from: Position) -> JournalEntries {
        let source = Arc::clone(&self.source);
        let count = match from {
            Position::Last(count @ 1..) => count,
            _ => return Reader::new(&source, query, from).entries(),
        };
        stream::once(async move {
            let range = source.range().await?;
            let (entries, next) = match range {
                None => (Vec::new(), 0),
                Some(range) => {
                    let next = range.end() + 1;
                    (last(&source, query.clone(), count, range).await?, next)
                }
            };
            let later = Reader::new(&source, query, Position::Offset(next)).entries();
            Ok::<_, bloodbank_core::Error>(stream::iter(entries.into_iter().map(Ok)).chain(later))
        })
        .try_flatten()
        .boxed()
    }

    fn get(&self, event_id: Uuid) -> BoxFuture<'_, Result<Option<JournalEntry>>> {
        Box::pin(async move {
            let Some(range) = self.source.range().await? else { return Ok(None) };
            let entries = last(&self.source, JournalQuery::all().event_id(event_id), 1, range).await?;
            Ok(entries.into_iter().next())
        })
    }

    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async move { Ok(self.source.range().await?.map(|range| *range.start())) })
    }

    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async move { Ok(self.source.range().await?.map(|range| *range.end())) })
    }
}

/// The last entries that pass a query, oldest first. A stream is read forwards only: so in windows from its end, each twice as
/// large as the one before.
async fn last(
    source: &Arc<StreamSource>,
    query: JournalQuery,
    count: usize,
    range: RangeInclusive<u64>,
) -> Result<Vec<JournalEntry>> {
    let (floor, tip) = range.into_inner();
    // One behind the last entry of the window.
    let mut end = query.before.map_or(tip + 1, |before| before.min(tip + 1));
    let mut size = SMALLEST_WINDOW.max(u64::try_from(count).unwrap_or(u64::MAX));
    let mut found: Vec<JournalEntry> = Vec::new();
    while found.len() < count && end > floor {
        let begin = end.saturating_sub(size).max(floor);
        let reader = Reader::new(source, query.clone(), Position::Offset(begin)).until(end - 1);
        let window: Vec<JournalEntry> = reader.entries().try_collect().await?;
        found.splice(..0, window);
        (end, size) = (begin, size.saturating_mul(2));
    }
    found.drain(..found.len().saturating_sub(count));
    Ok(found)
}
