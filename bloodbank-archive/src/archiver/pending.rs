//! The entries of the next segment.

use bloodbank_core::store::JournalEntry;
use chrono::NaiveDate;
use tokio::time::Instant;

use crate::{limits::SegmentLimits, segment::Segment};

/// The entries of the next segment, as they come.
pub(super) struct Pending {
    limits: SegmentLimits,
    /// The first offset of the segment: that behind the segment before it, also where no entry has it.
    first: u64,
    entries: Vec<JournalEntry>,
    bytes: usize,
    since: Instant,
}

impl Pending {
    pub(super) fn new(limits: SegmentLimits) -> Self {
        Self { limits, first: 0, entries: Vec::new(), bytes: 0, since: Instant::now() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The day in whose folder the segment lies: that of its first entry.
    fn date(&self) -> Option<NaiveDate> {
        self.entries.first().map(|entry| entry.published_at.date_naive())
    }

    /// Whether this entry belongs into another segment.
    pub(super) fn is_before(&self, entry: &JournalEntry) -> bool {
        self.date().is_some_and(|date| entry.published_at.date_naive() > date)
    }

    /// Adds an entry; the first one comes with the first offset of the segment.
    pub(super) fn push(&mut self, entry: JournalEntry, first: u64) {
        if self.entries.is_empty() {
            (self.first, self.since) = (first, Instant::now());
        }
        self.bytes = self.bytes.saturating_add(entry.message.body.len());
        self.entries.push(entry);
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.limits.events || self.bytes >= self.limits.bytes
    }

    /// When the segment is closed, however small it is.
    pub(super) fn deadline(&self) -> Instant {
        self.since + self.limits.age
    }

    /// The segment and its entries; `None`: there are none.
    pub(super) fn take(&mut self) -> Option<(Segment, Vec<JournalEntry>)> {
        let (date, last) = (self.date()?, self.entries.last()?.offset);
        self.bytes = 0;
        Some((Segment { first: self.first, last, date }, std::mem::take(&mut self.entries)))
    }
}
