//! A reader of an archive, segment by segment.

use std::{collections::VecDeque, time::Duration};

use bloodbank_core::{
    Error, Result,
    store::{Journal, JournalEntries, JournalEntry, JournalQuery, Position},
};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::time::sleep;

use crate::{
    archive::Archive,
    index::{Index, not_there},
    segment::Segment,
};

/// The pause of a reader that has read everything: a listing may cost money.
const PAUSE: Duration = Duration::from_secs(2);

/// Where a reader is.
pub(crate) struct Reader {
    archive: Archive,
    query: JournalQuery,
    follows: bool,
    /// The entries before `next` that were read already.
    read: Vec<JournalEntry>,
    next: u64,
    /// The segments that are not read yet.
    segments: VecDeque<Segment>,
    /// Whether entries before `next` were read or looked for, so that those from there on must not be missing.
    is_begun: bool,
}

impl Reader {
    pub(crate) async fn begin(
        archive: Archive,
        mut query: JournalQuery,
        from: Position,
        follows: bool,
    ) -> Result<Self> {
        if let Position::Time(time) = from {
            query.since = query.since.max(Some(time));
        }
        let index = archive.index().await?;
        let end = index.tip().map_or(0, |tip| tip + 1);
        let mut reader =
            Self { archive, query, follows, read: Vec::new(), next: 0, segments: VecDeque::new(), is_begun: false };
        match from {
            Position::Last(count) => {
                reader.read = reader.last(&index, count).await?;
                // What comes after the newest entry is missed by whoever begins behind it.
                (reader.next, reader.is_begun) = (end, end > 0);
            }
            Position::Offset(offset) => reader.next = offset,
            Position::Start | Position::Time(_) => {}
        }
        reader.take_segments(&index);
        Ok(reader)
    }

    /// Those that were read already, and the segments after them.
    pub(crate) fn entries(mut self) -> JournalEntries {
        let read = std::mem::take(&mut self.read);
        let segments = stream::try_unfold(self, |mut reader| async move {
            let entries = reader.segment().await?;
            Ok::<_, Error>(entries.map(|entries| (stream::iter(entries.into_iter().map(Ok)), reader)))
        });
        stream::iter(read.into_iter().map(Ok)).chain(segments.try_flatten()).boxed()
    }

    fn take_segments(&mut self, index: &Index) {
        self.segments = index.segments().filter(|segment| segment.last >= self.next).collect();
    }

    /// The entries of the next segment that pass; `None`: there are no more.
    async fn segment(&mut self) -> Result<Option<Vec<JournalEntry>>> {
        loop {
            let Some(segment) = self.segments.pop_front() else {
                if !self.follows {
                    return Ok(None);
                }
                self.archive.unless_closed(sleep(PAUSE).map(Ok)).await?;
                let index = self.archive.index().await?;
                self.take_segments(&index);
                continue;
            };
            let before = self.query.before.unwrap_or(u64::MAX);
            if self.is_begun && segment.first > self.next && self.next < before {
                return Err(not_there(&self.archive.describe(), self.next, segment.first - 1));
            }
            if before <= segment.first {
                // Nothing that is published later stands before it.
                return if self.follows { std::future::pending().await } else { Ok(None) };
            }
            let from = self.next;
            let mut entries = self.passing(segment).await?;
            entries.retain(|entry| entry.offset >= from);
            (self.next, self.is_begun) = (segment.last + 1, true);
            if !entries.is_empty() {
                return Ok(Some(entries));
            }
        }
    }

    /// The last entries that pass, oldest first.
    async fn last(&self, index: &Index, count: usize) -> Result<Vec<JournalEntry>> {
        let mut newest_first: Vec<JournalEntry> = Vec::new();
        let mut later: Option<Segment> = None;
        for segment in index.segments().rev() {
            if newest_first.len() >= count {
                break;
            }
            if let Some(later) = later.filter(|later| segment.last + 1 < later.first) {
                return Err(not_there(&self.archive.describe(), segment.last + 1, later.first - 1));
            }
            later = Some(segment);
            if self.query.before.is_none_or(|before| before > segment.first) {
                newest_first.extend(self.passing(segment).await?.into_iter().rev());
            }
        }
        newest_first.truncate(count);
        newest_first.reverse();
        Ok(newest_first)
    }

    /// The entries of a segment that pass.
    async fn passing(&self, segment: Segment) -> Result<Vec<JournalEntry>> {
        // No entry is of a later day than its segment.
        if self.query.since.is_some_and(|since| segment.date < since.date_naive()) {
            return Ok(Vec::new());
        }
        let mut entries = self.archive.entries_of(segment).await?;
        entries.retain(|entry| self.query.passes(entry));
        Ok(entries)
    }
}
