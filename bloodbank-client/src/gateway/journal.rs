//! The journal of a bus through its gateway: pages of `GET /history`.

use std::{sync::Arc, time::Duration};

use bloodbank_core::{
    Error, ErrorKind,
    store::{Journal, JournalEntries, JournalEntry, JournalQuery, Position},
};
use futures_util::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture, stream};
use serde::Deserialize;
use uuid::Uuid;

use super::GatewayClient;
use crate::error::{ClientError, Result};

/// The number of entries that are asked for at once.
const PAGE: usize = 500;
/// The pause between two looks for later entries.
const PAUSE: Duration = Duration::from_millis(250);

/// The journal of the bus that a gateway has open. It has the events alone: what went through the exchange of the bus.
pub(crate) struct GatewayJournal(Arc<GatewayClient>);

/// A page of the history.
#[derive(Deserialize)]
struct Page {
    entries: Vec<JournalEntry>,
    next: Option<u64>,
    previous: Option<u64>,
    floor: Option<u64>,
    tip: Option<u64>,
}

/// Where a reader is.
struct Reader {
    gateway: Arc<GatewayClient>,
    query: JournalQuery,
    /// The offset at which it goes on.
    next: u64,
    /// The last offset to read; `None`: there is no last one.
    to: Option<u64>,
    is_done: bool,
}

impl GatewayJournal {
    pub(crate) fn new(gateway: GatewayClient) -> Self {
        Self(Arc::new(gateway))
    }

    fn entries(&self, query: JournalQuery, from: Position, follow: bool) -> JournalEntries {
        let gateway = Arc::clone(&self.0);
        stream::once(async move {
            let (read, reader) = begin(gateway, query, from, follow).await.map_err(failed)?;
            let pages = stream::try_unfold(reader, |mut reader| async move {
                let page = reader.page().await.map_err(failed)?;
                Ok::<_, Error>(page.map(|entries| (stream::iter(entries.into_iter().map(Ok)), reader)))
            });
            Ok::<_, Error>(stream::iter(read.into_iter().map(Ok)).chain(pages.try_flatten()))
        })
        .try_flatten()
        .boxed()
    }

    async fn edge(&self) -> bloodbank_core::Result<Page> {
        self.0.history(&JournalQuery::all(), None, 1).await.map_err(failed)
    }
}

/// The entries that are read at once, and the reader of those after them.
async fn begin(
    gateway: Arc<GatewayClient>,
    mut query: JournalQuery,
    from: Position,
    follow: bool,
) -> Result<(Vec<JournalEntry>, Reader)> {
    let tip = gateway.history(&JournalQuery::all(), None, 1).await?.tip;
    let next = match from {
        Position::Start => 0,
        Position::Offset(offset) => offset,
        Position::Time(time) => {
            query.since = query.since.max(Some(time));
            0
        }
        Position::Last(_) => tip.map_or(0, |tip| tip.saturating_add(1)),
    };
    let read = match from {
        Position::Last(count) => last(&gateway, query.clone(), tip, count).await?,
        _ => Vec::new(),
    };
    let is_done = !follow && (tip.is_none() || matches!(from, Position::Last(_)));
    let to = if follow { None } else { tip };
    Ok((read, Reader { gateway, query, next, to, is_done }))
}

/// The last entries up to an offset, oldest first.
async fn last(
    gateway: &GatewayClient,
    mut query: JournalQuery,
    tip: Option<u64>,
    count: usize,
) -> Result<Vec<JournalEntry>> {
    let Some(tip) = tip else { return Ok(Vec::new()) };
    let mut before = query.before.unwrap_or(u64::MAX).min(tip.saturating_add(1));
    let mut found: Vec<JournalEntry> = Vec::new();
    while found.len() < count {
        query.before = Some(before);
        let page = gateway.history(&query, None, PAGE.min(count - found.len())).await?;
        found.splice(..0, page.entries);
        match page.previous {
            Some(previous) => before = previous,
            None => break,
        }
    }
    Ok(found)
}

impl Reader {
    /// The entries of the next page; `None`: there are no more.
    async fn page(&mut self) -> Result<Option<Vec<JournalEntry>>> {
        if self.is_done {
            return Ok(None);
        }
        let mut query = self.query.clone();
        query.before = query.before.into_iter().chain(self.to.map(|to| to.saturating_add(1))).min();
        loop {
            let page = self.gateway.history(&query, Some(self.next), PAGE).await?;
            self.next = page.entries.last().map_or(self.next, |entry| entry.offset.saturating_add(1));
            self.is_done = self.to.is_some() && page.next.is_none();
            if self.is_done || !page.entries.is_empty() {
                return Ok(Some(page.entries));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl GatewayClient {
    /// A page of the history: the oldest entries from an offset on, or else the newest ones.
    async fn history(&self, query: &JournalQuery, from: Option<u64>, limit: usize) -> Result<Page> {
        let mut pairs = vec![("limit", limit.to_string())];
        pairs.extend(query.types.iter().map(|event_type| ("type", event_type.clone())));
        let mut add = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
        add("pattern", query.pattern.as_ref().map(|pattern| pattern.as_str().to_owned()));
        add("source", query.source.clone());
        add("text", query.text.clone());
        add("since", query.since.map(|time| time.to_rfc3339()));
        add("until", query.until.map(|time| time.to_rfc3339()));
        add("caused_by", query.caused_by.map(|id| id.to_string()));
        add("id", query.event_id.map(|id| id.to_string()));
        add("before", query.before.map(|offset| offset.to_string()));
        add("from", from.map(|offset| offset.to_string()));
        let response = self.send(self.http.get(self.url_of(&["history"])?).query(&pairs)).await?;
        self.read(response).await
    }
}

impl Journal for GatewayJournal {
    fn describe(&self) -> String {
        format!("the bus behind the gateway {}", self.0.url())
    }

    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries {
        self.entries(query, from, false)
    }

    fn follow(&self, query: JournalQuery, from: Position) -> JournalEntries {
        self.entries(query, from, true)
    }

    fn get(&self, event_id: Uuid) -> BoxFuture<'_, bloodbank_core::Result<Option<JournalEntry>>> {
        async move {
            let query = JournalQuery::all().event_id(event_id);
            let page = self.0.history(&query, None, 1).await.map_err(failed)?;
            Ok(page.entries.into_iter().next())
        }
        .boxed()
    }

    fn floor(&self) -> BoxFuture<'_, bloodbank_core::Result<Option<u64>>> {
        async move { Ok(self.edge().await?.floor) }.boxed()
    }

    fn tip(&self) -> BoxFuture<'_, bloodbank_core::Result<Option<u64>>> {
        async move { Ok(self.edge().await?.tip) }.boxed()
    }
}

/// The error of a client as one of a journal, with its sentence.
fn failed(error: ClientError) -> Error {
    match error {
        ClientError::Bus(error) => error,
        error => Error::new(ErrorKind::Storage, error.to_string()),
    }
}
