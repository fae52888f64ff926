//! The correlation index that lives in the file of the bus, for those who ask.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    failure,
    links::{self, Page},
};
use crate::{
    correlation::{CorrelationStore, DirectStore, Entry, Link, Malformed, Missed, Read},
    error::{Error, ErrorKind, Result},
    transport::embedded::{
        Embedded,
        engine::Engine,
        journal::{Linked, Record},
    },
};

/// How many events the thread that writes is asked about at once, and how many children it answers with: publishes wait
/// meanwhile.
const EVENTS: usize = 1_000;
const CHILDREN: u32 = 10_000;

/// Links in the file of the bus. They go through its log: a link is kept in the transaction of the publish that follows,
/// and whoever asks sees everything that was recorded before.
pub(in crate::transport::embedded) struct FileIndex {
    engine: Arc<Engine>,
    path: PathBuf,
    lifetime: Duration,
    missed: Arc<Missed>,
    /// Keeps a file open that nobody publishes to.
    _bus: Option<Embedded>,
}

impl FileIndex {
    pub(in crate::transport::embedded) fn new(
        engine: &Arc<Engine>,
        path: &Path,
        lifetime: Duration,
        bus: Option<Embedded>,
    ) -> Self {
        Self { engine: Arc::clone(engine), path: path.to_owned(), lifetime, missed: Arc::default(), _bus: bus }
    }

    fn append(&self, link: Link, confirm: Option<oneshot::Sender<Result<()>>>) {
        let (lifetime, missed) = (self.lifetime, Arc::clone(&self.missed));
        let linked = Linked { link, lifetime, missed, confirm };
        self.engine.lock().journal.append(|| Record::Linked(linked));
    }

    /// What a look into the tables gives, after everything that was appended before.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let ask = Box::new(move |connection: &Connection| drop(reply.send(question(connection))));
        self.engine.lock().journal.append(|| Record::Asked(ask));
        match answer.await {
            Ok(answer) => answer.map_err(|error| failure(&self.path, "cannot be read", &error)),
            Err(_) => Err(closed()),
        }
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the embedded bus is closed, and its correlation index with it; make a new one")
}

impl CorrelationStore for FileIndex {
    fn describe(&self) -> String {
        format!("the embedded bus {}", self.path.display())
    }

    fn write<'a>(&'a self, links: &'a [Link]) -> BoxFuture<'a, Result<Vec<Malformed>>> {
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

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.ask(|_| Ok(())))
    }

    fn entries<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<Read<Option<Entry>>>> {
        Box::pin(async move {
            let mut read = Read::from(Vec::with_capacity(events.len()));
            for events in events.chunks(EVENTS) {
                let events = events.to_vec();
                let found = self.ask(move |connection| links::entries(connection, &events)).await?;
                read.values.extend(found.values);
                read.malformed.extend(found.malformed);
            }
            Ok(read)
        })
    }

    fn children<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<Read<Vec<Uuid>>>> {
        Box::pin(async move {
            let mut read = Read::from(Vec::with_capacity(events.len()));
            let mut cut: Option<Vec<Uuid>> = None;
            while read.values.len() < events.len() {
                let left = &events[read.values.len()..];
                let asked = left[..left.len().min(EVENTS)].to_vec();
                let after = cut.as_ref().and_then(|begun| begun.last().copied());
                let page = self.ask(move |connection| links::children(connection, &asked, after, CHILDREN)).await?;
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

impl DirectStore for FileIndex {
    fn insert(&self, link: Link) {
        self.append(link, None);
    }

    fn flush(&self) -> BoxFuture<'_, ()> {
        // A closed bus has kept what it could.
        Box::pin(async { drop(self.probe().await) })
    }

    fn missed(&self) -> Option<&Missed> {
        Some(&self.missed)
    }
}
