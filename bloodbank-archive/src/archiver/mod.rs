//! The archiver: writes what a journal has into an archive, segment by segment.
//!
//! - `pending`: the entries of the next segment, and when it is closed.
//! - `progress`: where an archive ends, and how a segment is added to it.
//! - `check`: whether the journal is still the one that was archived, and what it lost.
//! - `lag`: how far the archive is behind.
//!
//! There is no cursor beside the segments: an archive goes on where its last segment ends, as its listing says. A segment is
//! written in one step where there is none, so that writing it is moving the cursor, and nothing can come between the two.

mod check;
mod lag;
mod pending;
mod progress;

use std::{fmt, sync::Arc, time::Duration};

use bloodbank_core::{
    Bus, Error, ErrorKind, Result,
    app::{AppTask, StartedTask},
    store::{Journal, JournalQuery},
};
use futures_util::{StreamExt, future::BoxFuture};
use parking_lot::Mutex;
use tokio::time::{sleep, sleep_until};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{info, warn};

use self::progress::{Progress, Taken};
use crate::{archive::Archive, limits::SegmentLimits};

/// The pause before another attempt, while the journal or the store is away.
const AGAIN: Duration = Duration::from_secs(1);

/// Writes what a journal has into an [`Archive`], in order, with nothing missing and nothing twice.
///
/// A segment is reserved, then written, each in one step and only where there is none: an archiver that is killed anywhere is
/// followed by one that goes on where it was. Several may run at once; they write the same segments, and all but one do so in vain.
/// What the journal has removed before it was archived is said, and stays a gap that readers are told of.
///
/// ```no_run
/// # use bloodbank_archive::{Archive, Archiver};
/// # use bloodbank_core::Bus;
/// # async fn example(bus: Bus) -> bloodbank_core::Result<()> {
/// let done = Archiver::new(Archive::open("/srv/archive")?).run_once(&bus).await?;
/// println!("{} events are in {} new segments", done.events, done.segments);
/// # Ok(()) }
/// ```
#[must_use = "an archiver does nothing until it runs"]
pub struct Archiver {
    archive: Archive,
    source: Option<Arc<dyn Journal>>,
    limits: SegmentLimits,
}

/// What an archiver has written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Archived {
    /// The number of entries.
    pub events: u64,
    /// The number of segments.
    pub segments: u64,
}

/// What is wrong, where something is.
type Trouble = Arc<Mutex<Option<String>>>;

impl Archiver {
    /// Creates an archiver that writes into this archive.
    pub fn new(archive: Archive) -> Self {
        Self { archive, source: None, limits: SegmentLimits::default() }
    }

    /// The journal of a bus that is archived: the one that its settings choose, without its archive.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] with the remedy where it keeps none.
    pub fn source_of(bus: &Bus) -> Result<Arc<dyn Journal>> {
        bus.live_journal().ok_or_else(|| {
            let remedy = match bus.transport().system() {
                "rabbitmq" => "switch one on with `bb topology journal enable`",
                _ => "set BLOODBANK_EMBEDDED_PATH to a file, or RABBIT_URL",
            };
            Error::new(ErrorKind::Settings, format!("this bus keeps no journal that could be archived; {remedy}"))
        })
    }

    /// Archives this journal instead of that of the bus.
    pub fn source(mut self, source: Arc<dyn Journal>) -> Self {
        self.source = Some(source);
        self
    }

    /// Sets when a segment is closed.
    pub fn limits(mut self, limits: SegmentLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Archives until `stop` is set. While the journal or the store does not answer, it is asked again. What is not yet a whole
    /// segment when it stops, the next run archives.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] with the remedy where the bus keeps no journal.
    pub async fn run(self, bus: Bus, stop: CancellationToken) -> Result<()> {
        let source = self.find_source(&bus)?;
        self.work(source, bus, stop).await;
        Ok(())
    }

    /// Archives the entries that there are now, the last ones of which may be a small segment.
    ///
    /// # Errors
    /// Like [`Archiver::run`]; [`ErrorKind::Storage`] also when the journal cannot be read, is not the one that was archived, or
    /// the store does not answer or refuses.
    pub async fn run_once(self, bus: &Bus) -> Result<Archived> {
        let source = self.find_source(bus)?;
        self.archive.place.remove_leftovers().await;
        let mut written = Archived::default();
        // Until the end is reached without another archiver being ahead.
        loop {
            let mut progress = Progress::begin(&self.archive, &source, self.limits).await?;
            let mut entries = source.read(JournalQuery::all(), progress.position());
            let mut taken = Taken::Kept;
            while taken == Taken::Kept
                && let Some(entry) = entries.next().await.transpose()?
            {
                taken = progress.take(entry).await?;
            }
            if taken == Taken::Kept {
                taken = progress.close().await?;
            }
            written.events += progress.written.events;
            written.segments += progress.written.segments;
            if taken == Taken::Kept {
                return Ok(written);
            }
        }
    }

    fn find_source(&self, bus: &Bus) -> Result<Arc<dyn Journal>> {
        match &self.source {
            Some(source) => Ok(Arc::clone(source)),
            None => Self::source_of(bus),
        }
    }

    async fn work(self, source: Arc<dyn Journal>, bus: Bus, stop: CancellationToken) {
        let trouble = Trouble::default();
        let watched = Arc::downgrade(&trouble);
        bus.watch_health(move || watched.upgrade()?.lock().clone());
        let archiving = async {
            self.archive.place.remove_leftovers().await;
            loop {
                if let Err(error) = self.attempt(&source, &trouble).await {
                    let text = format!("{} is not archived: {error}", source.describe());
                    if trouble.lock().replace(text).is_none() {
                        warn!(%error, source = source.describe(), "the archive waits");
                    }
                    sleep(AGAIN).await;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = archiving => {}
        }
    }

    /// Archives for as long as nothing is wrong; returns where another archiver is ahead.
    async fn attempt(&self, source: &Arc<dyn Journal>, trouble: &Trouble) -> Result<()> {
        let mut progress = Progress::begin(&self.archive, source, self.limits).await?;
        if trouble.lock().take().is_some() {
            info!("the archive is written again");
        }
        // It ends with this function.
        let lag = lag::watch(Arc::clone(source), progress.next(), self.limits.age, Arc::clone(trouble));
        let _lag = AbortOnDropHandle::new(tokio::spawn(lag));
        let mut entries = source.follow(JournalQuery::all(), progress.position());
        loop {
            let taken = tokio::select! {
                entry = entries.next() => match entry {
                    Some(Ok(entry)) => progress.take(entry).await?,
                    Some(Err(error)) => {
                        // What came before is whole, and a reader that begins again may begin behind it.
                        progress.close().await?;
                        return Err(error);
                    }
                    None => return Err(Error::new(ErrorKind::Storage, "reading it has ended")),
                },
                () = sleep_until(progress.deadline()), if progress.has_pending() => progress.close().await?,
            };
            if taken == Taken::Overtaken {
                return Ok(());
            }
        }
    }
}

impl AppTask for Archiver {
    fn name(&self) -> &'static str {
        "archiver"
    }

    fn start(self: Box<Self>, bus: Bus, stop: CancellationToken) -> BoxFuture<'static, Result<StartedTask>> {
        Box::pin(async move {
            let source = self.find_source(&bus)?;
            Ok(Box::pin(self.work(source, bus, stop)) as StartedTask)
        })
    }
}

impl fmt::Debug for Archiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archiver").field("archive", &self.archive).field("limits", &self.limits).finish_non_exhaustive()
    }
}
