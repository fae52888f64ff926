//! The correlation index that lives in the file of the bus, for those who ask.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::sqlite::{
    failure,
    link_tables::{self, Page},
};
use crate::{
    changes::{LinkChange, Record},
    engine::Engine,
};
use bloodbank_core::{
    Error, ErrorKind, Result,
    store::{BatchRead, CausationLink, DirectLinkStore, LinkEntry, LinkStore, MalformedEntry, UnrecordedLinks},
};

/// The most events in one query of the thread that writes, and the most children in its answer: publishes wait
/// meanwhile.
const EVENTS_PER_QUERY: usize = 1_000;
const CHILDREN_PER_QUERY: u32 = 10_000;

/// Links in the file of the bus. They go through its log: a link is kept in the transaction of the publish that follows,
/// and whoever asks sees everything that was recorded before.
pub(crate) struct FileLinks {
    engine: Arc<Engine>,
    path: PathBuf,
    lifetime: Duration,
    missed: Arc<UnrecordedLinks>,
}

impl FileLinks {
    pub(crate) fn new(engine: &Arc<Engine>, path: &Path, lifetime: Duration) -> Self {
        Self { engine: Arc::clone(engine), path: path.to_owned(), lifetime, missed: Arc::default() }
    }

    fn append(&self, link: CausationLink, confirm: Option<oneshot::Sender<Result<()>>>) {
        let (lifetime, missed) = (self.lifetime, Arc::clone(&self.missed));
        let linked = LinkChange { link, lifetime, missed, confirm };
        self.engine.lock().changes.append(|| Record::Linked(linked));
    }

    /// Queries the tables, after everything that was appended before.
    async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let ask = Box::new(move |connection: &Connection| drop(reply.send(query(connection))));
        self.engine.lock().changes.append(|| Record::Queried(ask));
        match answer.await {
            Ok(answer) => answer.map_err(|error| failure(&self.path, "cannot be read", &error)),
            Err(_) => Err(closed()),
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the embedded bus is closed, and its correlation index with it; make a new one")
}

impl LinkStore for FileLinks {
    fn describe(&self) -> String {
        format!("the embedded bus {}", self.path.display())
    }

    fn write<'a>(&'a self, links: &'a [CausationLink]) -> BoxFuture<'a, Result<Vec<MalformedEntry>>> {
        Box::pin(async move {
            let mut confirms = Vec::with_capacity(links.len());
            for link in links {
                let (confirm, confirmed) = oneshot::channel();
                self.append(link.clone(), Some(confirm));
                confirms.push(confirmed);
            }
            for confirmed in confirms {
                confirmed.await.unwrap_or_else(|_| Err(closed()))?;
            }
            Ok(Vec::new())
        })
    }

    fn time(&self) -> BoxFuture<'_, Result<Option<DateTime<Utc>>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.query(|_| Ok(())))
    }

    fn entries<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Option<LinkEntry>>>> {
        Box::pin(async move {
            let mut read = BatchRead::from(Vec::with_capacity(events.len()));
            for events in events.chunks(EVENTS_PER_QUERY) {
                let events = events.to_vec();
                let found = self.query(move |connection| link_tables::entries(connection, &events)).await?;
                read.values.extend(found.values);
                read.malformed.extend(found.malformed);
            }
            Ok(read)
        })
    }

    fn find(&self, first: Uuid, last: Uuid, limit: usize) -> BoxFuture<'_, Result<Vec<Uuid>>> {
        Box::pin(self.query(move |connection| link_tables::find(connection, first, last, limit)))
    }

    fn children<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Vec<Uuid>>>> {
        Box::pin(async move {
            let mut read = BatchRead::from(Vec::with_capacity(events.len()));
            let mut cut: Option<Vec<Uuid>> = None;
            while read.values.len() < events.len() {
                let left = &events[read.values.len()..];
                let asked = left[..left.len().min(EVENTS_PER_QUERY)].to_vec();
                let after = cut.as_ref().and_then(|begun| begun.last().copied());
                let page = self
                    .query(move |connection| link_tables::children(connection, &asked, after, CHILDREN_PER_QUERY))
                    .await?;
                let Page { children: mut found, is_cut } = page;
                if let (Some(mut begun), Some(first)) = (cut.take(), found.first_mut()) {
                    begun.append(first);
                    *first = begun;
                }
                if is_cut {
                    cut = found.pop();
                }
                read.values.extend(found);
            }
            Ok(read)
        })
    }
}

impl DirectLinkStore for FileLinks {
    fn insert(&self, link: CausationLink) {
        self.append(link, None);
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        // A closed bus has kept what it could.
        Box::pin(async { drop(self.probe().await) })
    }

    fn missed(&self) -> Option<&UnrecordedLinks> {
        Some(&self.missed)
    }
}
