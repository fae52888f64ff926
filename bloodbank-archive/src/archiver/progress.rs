//! Where an archive ends, and how a segment is added to it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bloodbank_core::{
    Error, ErrorKind, Result,
    store::{Journal, JournalEntry, JournalQuery, Position, entries_lost},
};
use futures_util::TryStreamExt;
use metrics::{Counter, Gauge, counter, gauge};
use tokio::{task::spawn_blocking, time::Instant};
use tracing::error;

use super::{Archived, check, pending::Pending};
use crate::{
    archive::Archive,
    limits::SegmentLimits,
    segment::{Segment, encode},
    store::Created,
};

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is kept, in memory or in a segment.
    Kept,
    /// Another archiver has reserved the segment otherwise, and it was written so: what was read is read again.
    Overtaken,
}

/// An archive that grows.
pub(super) struct Progress {
    archive: Archive,
    source: Arc<dyn Journal>,
    /// The offset behind the last segment; `None`: there is none.
    next: Option<u64>,
    shared_next: Arc<AtomicU64>,
    /// Whether an entry came: what is missing afterwards, the journal says itself.
    is_begun: bool,
    pending: Pending,
    pub(super) written: Archived,
    measured: Measured,
}

struct Measured {
    events: Counter,
    segments: Counter,
    bytes: Counter,
    lost: Counter,
    offset: Gauge,
}

impl Progress {
    /// Begins where the archive ends. What an archiver has reserved there and not written is found when the next segment is closed.
    pub(super) async fn begin(archive: &Archive, source: &Arc<dyn Journal>, limits: SegmentLimits) -> Result<Self> {
        let index = archive.index().await?;
        if let Some(last) = index.segments().next_back() {
            check::is_same(archive, &**source, last).await?;
        }
        let mut progress = Self {
            archive: archive.clone(),
            source: Arc::clone(source),
            next: index.tip().map(|tip| tip + 1),
            shared_next: Arc::default(),
            is_begun: false,
            pending: Pending::new(limits),
            written: Archived::default(),
            measured: Measured {
                events: counter!("bloodbank_archive_events_total"),
                segments: counter!("bloodbank_archive_segments_total"),
                bytes: counter!("bloodbank_archive_bytes_total"),
                lost: counter!("bloodbank_archive_lost_total"),
                offset: gauge!("bloodbank_archive_offset"),
            },
        };
        progress.ends_at(progress.next);
        Ok(progress)
    }

    /// Where the journal is read from.
    pub(super) fn position(&self) -> Position {
        self.next.map_or(Position::Start, Position::Offset)
    }

    /// The offset behind the last segment, as it grows.
    pub(super) fn next(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared_next)
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(super) fn deadline(&self) -> Instant {
        self.pending.deadline()
    }

    /// Takes the next entry, and writes the segment that is full.
    pub(super) async fn take(&mut self, entry: JournalEntry) -> Result<Taken> {
        let mut first = self.next.unwrap_or(entry.offset);
        if !self.is_begun {
            if let Some((from, to)) = check::lost_before(&*self.source, self.next, entry.offset).await? {
                let said = entries_lost(&self.source.describe(), from, to);
                error!("{said}; the archive goes on behind them, and its readers are told");
                self.measured.lost.increment(to - from + 1);
                first = entry.offset;
            }
            self.is_begun = true;
        }
        if self.pending.is_before(&entry) {
            if self.close().await? == Taken::Overtaken {
                return Ok(Taken::Overtaken);
            }
            first = self.next.unwrap_or(entry.offset);
        }
        self.pending.push(entry, first);
        if self.pending.is_full() { self.close().await } else { Ok(Taken::Kept) }
    }

    /// Writes what there is as a segment.
    pub(super) async fn close(&mut self) -> Result<Taken> {
        let Some((segment, entries)) = self.pending.take() else { return Ok(Taken::Kept) };
        let place = self.archive.place.clone();
        if place.reserve(self.reservation(), &segment).await? == Created::Exists {
            if let Some(reserved) = place.reserved(self.reservation()).await? {
                self.write_reserved(reserved).await?;
            }
            return Ok(Taken::Overtaken);
        }
        self.write(segment, entries).await?;
        Ok(Taken::Kept)
    }

    /// The offset by which the next segment is reserved.
    fn reservation(&self) -> u64 {
        self.next.unwrap_or_default()
    }

    /// Writes a segment that was reserved, with what the journal has of it, unless that is done.
    async fn write_reserved(&mut self, segment: Segment) -> Result<()> {
        let path = segment.path(&self.archive.place.root);
        if self.archive.index().await?.segments().any(|known| known == segment) {
            self.ends_at(Some(segment.last + 1));
            return Ok(());
        }
        let query = JournalQuery::all().before(segment.last + 1);
        let entries: Vec<_> = self.source.read(query, Position::Offset(segment.first)).try_collect().await?;
        let lost = check::lost_before(&*self.source, Some(segment.first), u64::MAX).await?;
        let is_whole = lost.is_none() && entries.last().is_some_and(|entry| entry.offset == segment.last);
        if !is_whole {
            let reservation = self.archive.place.reservation(self.reservation());
            let (name, shown) = (self.archive.place.name_of(&path), &self.archive.place.shown);
            return Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "{name} of the archive {shown} is reserved and not written, and {} has not all of its entries any more; remove \
                     {} there to go on with what it has",
                    self.source.describe(),
                    self.archive.place.name_of(&reservation)
                ),
            ));
        }
        self.write(segment, entries).await
    }

    /// Writes a segment that is reserved.
    async fn write(&mut self, segment: Segment, entries: Vec<JournalEntry>) -> Result<()> {
        let (count, source) = (entries.len() as u64, self.source.describe());
        let encoded = spawn_blocking(move || encode(&entries, &source)).await;
        let encoded = encoded.map_err(|error| not_encoded(&segment, &error))?;
        let file = encoded.map_err(|error| not_encoded(&segment, &error))?;
        let size = file.len() as u64;
        let path = segment.path(&self.archive.place.root);
        if self.archive.place.create(&path, file.into()).await? == Created::Written {
            self.measured.events.increment(count);
            self.measured.segments.increment(1);
            self.measured.bytes.increment(size);
            self.written.events += count;
            self.written.segments += 1;
        }
        self.ends_at(Some(segment.last + 1));
        Ok(())
    }

    fn ends_at(&mut self, next: Option<u64>) {
        self.next = next;
        let next = next.unwrap_or_default();
        self.shared_next.store(next, Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; no journal has 2^52 entries")]
        self.measured.offset.set(next.saturating_sub(1) as f64);
    }
}

fn not_encoded(segment: &Segment, error: &dyn std::error::Error) -> Error {
    let Segment { first, last, .. } = segment;
    Error::new(ErrorKind::Storage, format!("the entries {first} to {last} have no form in Parquet: {error}"))
}
