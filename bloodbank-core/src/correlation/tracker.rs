//! The correlation tracker: records links beside publishing and answers who caused what.

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use futures_util::future::try_join;
use serde_json::{Map, Value};
use tokio::time::{Duration, timeout};
use tracing::warn;
use uuid::Uuid;

use super::{
    chain::{self, Chain, ChainOrder, Direction},
    metadata::check_metadata,
    recorder::{CorrelationHealth, Recorder, Recording},
};
use crate::store::{
    BatchRead, CausationLink, DirectLinkStore, LinkEntry, LinkStore, MalformedEntry, UnrecordedLinks,
    memory::MemoryLinks,
};
use crate::{
    envelope,
    error::{Error, ErrorKind, Result},
    settings::Settings,
    transport::Transport,
};

/// The number of events that a tracker in memory remembers; some 30 MB.
const REMEMBERED: usize = 100_000;
/// The time limit of an explicit write.
const PATIENCE: Duration = Duration::from_secs(1);

/// Records which event caused which, and answers questions about it. Cheap to clone.
///
/// ```
/// # use bloodbank_core::{Settings, correlation::{CorrelationTracker, Direction}};
/// # use uuid::Uuid;
/// # futures_util::FutureExt::now_or_never(async {
/// let tracker = CorrelationTracker::in_memory(&Settings::default());
/// let (upload, ready) = (Uuid::new_v4(), Uuid::new_v4());
/// tracker.link(upload, ready, "the transcript of this upload").await?;
/// assert_eq!(tracker.parents(ready).await?, [upload]);
/// assert_eq!(tracker.chain(ready, Direction::Ancestors, 100).await?.events, [upload, ready]);
/// # Ok::<(), bloodbank_core::Error>(()) }).unwrap().unwrap();
/// ```
#[derive(Clone)]
pub struct CorrelationTracker {
    backend: Arc<Backend>,
    /// The transport of a file that nobody publishes to, kept open.
    transport: Option<Arc<dyn Transport>>,
}

enum Backend {
    /// A store that takes links at once.
    Direct(Arc<dyn DirectLinkStore>),
    /// A store that a task writes, beside publishing.
    Beside(Recorder),
}

impl CorrelationTracker {
    /// Creates a tracker in memory, for the last 100,000 events.
    #[must_use]
    pub fn in_memory(settings: &Settings) -> Self {
        let store = MemoryLinks::new(REMEMBERED, settings.correlation_ttl);
        Self::direct(Arc::new(store))
    }

    /// Creates a tracker over a store that takes links at once.
    #[must_use]
    pub fn direct(store: Arc<dyn DirectLinkStore>) -> Self {
        Self { backend: Arc::new(Backend::Direct(store)), transport: None }
    }

    /// Keeps the transport of the tracker's store open.
    pub(crate) fn keeping_open(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Creates a tracker over a store of your own; a task of the current tokio runtime writes to it.
    pub async fn with_store(store: Arc<dyn LinkStore>) -> Self {
        Self { backend: Arc::new(Backend::Beside(Recorder::start(store).await)), transport: None }
    }

    pub(super) fn store(&self) -> &dyn LinkStore {
        match &*self.backend {
            Backend::Direct(store) => &**store,
            Backend::Beside(recorder) => &**recorder.store(),
        }
    }

    /// Records a link beside a publish: `None` when that is done (or given up) already, otherwise a future that
    /// resolves when it is, at most a second later. Never fails; links that are not recorded are counted.
    pub fn record(&self, mut link: CausationLink) -> Option<Recording> {
        if let Some(metadata) = &link.metadata
            && let Err(error) = check_metadata(metadata)
        {
            warn!(event_id = %link.child, %error, "a link is recorded without its metadata");
            link.metadata = None;
        }
        match &*self.backend {
            Backend::Direct(store) => {
                store.insert(link);
                None
            }
            Backend::Beside(recorder) => recorder.record(link),
        }
    }

    /// Waits until every link that was recorded before is written or given up; a store that stops answering ends the
    /// wait within a second.
    pub async fn flush(&self) {
        match &*self.backend {
            Backend::Direct(store) => store.flush().await,
            Backend::Beside(recorder) => recorder.flush().await,
        }
    }

    /// The health of correlation tracking.
    #[must_use]
    pub fn health(&self) -> CorrelationHealth {
        let available = match &*self.backend {
            Backend::Direct(_) => true,
            Backend::Beside(recorder) => recorder.is_available(),
        };
        CorrelationHealth {
            store: self.store().describe(),
            available,
            missed: self.missed().map_or(0, UnrecordedLinks::count),
        }
    }

    fn missed(&self) -> Option<&UnrecordedLinks> {
        match &*self.backend {
            Backend::Direct(store) => store.missed(),
            Backend::Beside(recorder) => Some(recorder.missed()),
        }
    }

    /// Adds parents and metadata to the link of an event. Parents that are known already stay, as does metadata under
    /// other names; parents given twice count once.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidEnvelope`] for the nil id or an event that is its own parent, [`ErrorKind::TooLarge`] for
    /// metadata over [`METADATA_LIMIT`](super::METADATA_LIMIT), [`ErrorKind::Storage`] when the store fails.
    pub async fn add(&self, child: Uuid, parents: &[Uuid], metadata: Map<String, Value>) -> Result<()> {
        check_ids(child, parents)?;
        check_metadata(&metadata)?;
        let known = self.in_time(self.read_entry(child)).await?.values.pop().flatten();
        let mut link = CausationLink {
            child,
            parents: Vec::with_capacity(parents.len()),
            event_type: None,
            created_at: envelope::now(),
            app: None,
            metadata: Some(metadata),
        };
        let mut all = parents.to_vec();
        if let Some(known) = known {
            all.splice(0..0, known.parents);
            link.created_at = known.created_at.unwrap_or(link.created_at);
            let added = link.metadata.replace(known.metadata);
            link.metadata.get_or_insert_default().extend(added.unwrap_or_default());
        }
        for parent in all {
            if !link.parents.contains(&parent) {
                link.parents.push(parent);
            }
        }
        let links = [link];
        let written = self.in_time(self.store().write(&links)).await;
        if let (Err(_), Backend::Beside(recorder)) = (&written, &*self.backend) {
            recorder.missed().link(&links[0]);
        }
        match written?.first() {
            None => Ok(()),
            Some(value) => Err(malformed(value)),
        }
    }

    /// Adds a parent to an event, and the reason.
    ///
    /// # Errors
    /// Like [`CorrelationTracker::add`].
    pub async fn link(&self, parent: Uuid, child: Uuid, reason: &str) -> Result<()> {
        let metadata = match reason {
            "" => Map::new(),
            reason => Map::from_iter([("reason".to_owned(), Value::from(reason))]),
        };
        self.add(child, &[parent], metadata).await
    }

    /// Runs work on the store, but waits neither for a store that is away nor for more than a second.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let recorder = match &*self.backend {
            Backend::Direct(_) => return work.await,
            Backend::Beside(recorder) => recorder,
        };
        let problem = if recorder.is_available() {
            match timeout(PATIENCE, work).await {
                Ok(done) => return done,
                Err(_) => "did not answer within a second",
            }
        } else {
            "is away; try again when it is back"
        };
        let store = recorder.store().describe();
        Err(Error::new(ErrorKind::Storage, format!("{store} {problem}")))
    }

    async fn read_entry(&self, event: Uuid) -> Result<BatchRead<Option<LinkEntry>>> {
        self.store().entries(&[event]).await
    }

    /// The current time at the store; `None`: it has no clock of its own.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] when the store fails.
    pub async fn store_time(&self) -> Result<Option<DateTime<Utc>>> {
        self.store().time().await
    }

    /// The direct parents of an event, in the order of its envelope.
    ///
    /// # Errors
    /// Like [`CorrelationTracker::entry`].
    pub async fn parents(&self, event: Uuid) -> Result<Vec<Uuid>> {
        Ok(self.entry(event).await?.map(|entry| entry.parents).unwrap_or_default())
    }

    /// The direct children of an event.
    ///
    /// # Errors
    /// Like [`CorrelationTracker::entry`].
    pub async fn children(&self, event: Uuid) -> Result<Vec<Uuid>> {
        let mut read = self.store().children(&[event]).await?;
        understood(&read.malformed)?;
        Ok(read.values.pop().unwrap_or_default())
    }

    /// The link entry of an event; `None` when nothing is known about it.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] when the store fails, [`ErrorKind::InvalidPayload`] naming the key when another program
    /// broke the value.
    pub async fn entry(&self, event: Uuid) -> Result<Option<LinkEntry>> {
        let mut read = self.read_entry(event).await?;
        understood(&read.malformed)?;
        Ok(read.values.pop().flatten())
    }

    /// The metadata of an event from its publisher, with `event_type` and `app` added; `None` when nothing is known.
    ///
    /// # Errors
    /// Like [`CorrelationTracker::entry`].
    pub async fn metadata(&self, event: Uuid) -> Result<Option<Map<String, Value>>> {
        Ok(self.entry(event).await?.map(|entry| entry.metadata))
    }

    /// The chain of everything that led to an event, or that it led to, at most `max_depth` links away. One round trip
    /// for each level; cycles are cut, malformed values are reported in the chain.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] when the store fails.
    pub async fn chain(&self, event: Uuid, direction: Direction, max_depth: usize) -> Result<Chain> {
        self.chain_in(ChainOrder::CausesFirst, event, direction, max_depth).await
    }

    /// The chain in this order; see [`CorrelationTracker::chain`].
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] when the store fails.
    pub async fn chain_in(
        &self,
        order: ChainOrder,
        event: Uuid,
        direction: Direction,
        max_depth: usize,
    ) -> Result<Chain> {
        chain::follow(self.store(), event, direction, max_depth, order).await
    }

    /// The entries and the children of these events, read at the same time.
    pub(super) async fn around(&self, events: &[Uuid]) -> Result<(BatchRead<Option<LinkEntry>>, BatchRead<Vec<Uuid>>)> {
        try_join(self.store().entries(events), self.store().children(events)).await
    }

    /// Whether the store may know less about an event than happened.
    pub(super) fn may_be_incomplete(&self, event: Uuid, entry: Option<&LinkEntry>) -> bool {
        let created_at = entry.and_then(|entry| entry.created_at);
        self.missed().is_some_and(|missed| missed.concerns(event, created_at))
    }
}

fn check_ids(child: Uuid, parents: &[Uuid]) -> Result<()> {
    let problem = if child.is_nil() || parents.iter().any(Uuid::is_nil) {
        "the nil id is no event"
    } else if parents.contains(&child) {
        "it is its own parent"
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::InvalidEnvelope,
        format!("cannot link event {child}: {problem}; pass the ids of the events that caused it"),
    ))
}

fn understood(malformed: &[MalformedEntry]) -> Result<()> {
    malformed.first().map_or(Ok(()), |value| Err(self::malformed(value)))
}

fn malformed(value: &MalformedEntry) -> Error {
    Error::new(ErrorKind::InvalidPayload, value.to_string())
}

impl fmt::Debug for CorrelationTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CorrelationTracker").field(&self.health()).finish()
    }
}
