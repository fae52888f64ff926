//! A reader of the stream: goes on where it was after a lost connection, and says what it has missed.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep};

use super::source::{Attached, Begin, SILENCE, SourceError, StreamSource};
use crate::backoff;
use bloodbank_core::{
    Result,
    store::{JournalEntries, JournalEntry, JournalQuery, Position, entries_lost},
};

/// The time without an entry after which a reader from a time on looks whether the broker sends anything, and how often.
const IDLE: Duration = Duration::from_secs(1);
const LOOKS: u32 = 3;
/// The time for which a reader with an end waits for a broker that is away.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Reader {
    source: Arc<StreamSource>,
    query: JournalQuery,
    begin: Begin,
    /// The least offset that is wanted next.
    next: u64,
    /// Whether an entry was read, so that those after it must not be missing.
    is_begun: bool,
    /// The last offset to read; `None`: there is no last one.
    to: Option<u64>,
    /// Whether there is an entry at the last offset or behind it, so that one must come.
    is_bounded: bool,
    attached: Option<Attached>,
    /// The attempts to attach since the last entry, and when the first of them was made.
    attempts: (u32, Option<Instant>),
}

impl Reader {
    pub(super) fn new(source: &Arc<StreamSource>, mut query: JournalQuery, from: Position) -> Self {
        let (begin, next) = match from {
            Position::Offset(offset) => (Begin::Offset(offset), offset),
            Position::Time(time) => {
                query.since = query.since.max(Some(time));
                (Begin::First, 0)
            }
            Position::Last(_) => (Begin::Next, 0),
            Position::Start => (Begin::First, 0),
        };
        let begin = match (begin, query.since) {
            // Its clock and those of publishers may differ a little.
            (Begin::First, Some(since)) => Begin::Time(since - TimeDelta::minutes(1)),
            (begin, _) => begin,
        };
        let (source, to) = (Arc::clone(source), query.before.map(|before| before.saturating_sub(1)));
        Self { source, query, begin, next, is_begun: false, to, is_bounded: false, attached: None, attempts: (0, None) }
    }

    /// Ends after this offset, which the stream has or has passed.
    pub(super) fn until(mut self, to: u64) -> Self {
        self.is_bounded = true;
        self.to = Some(self.to.map_or(to, |end| end.min(to)));
        self
    }

    pub(super) fn entries(self) -> JournalEntries {
        // In a box: it is handed on with each entry.
        let entries = stream::unfold(Some(Box::new(self)), |reader| async move {
            let mut reader = reader?;
            match reader.next().await {
                Ok(Some(entry)) => Some((Ok(entry), Some(reader))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        });
        entries.boxed()
    }

    /// The next entry that passes; `None` after the last one.
    async fn next(&mut self) -> Result<Option<JournalEntry>> {
        loop {
            if self.query.before == Some(0) || self.to.is_some_and(|to| self.next > to) {
                return Ok(None);
            }
            let closing = self.source.closing().clone();
            if closing.is_cancelled() {
                return Err(self.source.closed());
            }
            let entry = tokio::select! {
                biased;
                entry = self.any() => entry,
                () = closing.cancelled() => return Err(self.source.closed()),
            };
            let entry = match entry {
                Ok(Some(entry)) => entry,
                Ok(None) => return Ok(None),
                Err(SourceError::Refused(error)) => return Err(error),
                Err(SourceError::Lost(fault)) => {
                    self.attached = None;
                    let begin = *self.attempts.1.get_or_insert_with(Instant::now);
                    self.attempts.0 += 1;
                    if self.to.is_some() && begin.elapsed() > PATIENCE {
                        return Err(self.source.unreadable(fault.text()));
                    }
                    tokio::select! {
                        () = closing.cancelled() => return Err(self.source.closed()),
                        () = sleep(backoff::delay(self.attempts.0, begin.elapsed())) => continue,
                    }
                }
            };
            self.attempts = (0, None);
            // A consumer begins with the whole chunk of its offset.
            if entry.offset < self.next {
                continue;
            }
            if self.is_begun && entry.offset > self.next {
                self.check_gap(entry.offset).await?;
            }
            if self.to.is_some_and(|to| entry.offset > to) {
                return Ok(None);
            }
            (self.next, self.is_begun) = (entry.offset + 1, true);
            if self.query.passes(&entry) {
                return Ok(Some(entry));
            }
        }
    }

    /// The next entry of the stream; `None` where there is nothing more up to the last offset to read.
    async fn any(&mut self) -> Result<Option<JournalEntry>, SourceError> {
        if self.attached.is_none() {
            let begin = if self.is_begun { Begin::Offset(self.next) } else { self.begin };
            self.attached = Some(self.source.attach(begin).await?);
            if let Begin::Next = begin {
                // Where to go on when the connection is lost before anything came.
                let range = self.source.look().await?;
                self.begin = Begin::Offset(range.map_or(0, |range| range.end() + 1));
            }
        }
        let Some(attached) = &mut self.attached else { return Ok(None) };
        if !self.is_bounded {
            return attached.next().await.map(Some);
        }
        if !matches!(self.begin, Begin::Time(_)) || self.is_begun {
            let Some(entry) = attached.next_within(SILENCE).await? else {
                return Err(SourceError::Refused(self.source.silent(&format!("the entries from {} on", self.next))));
            };
            return Ok(Some(entry));
        }
        // A time may be later than every entry. Meanwhile the broker sends others, so it is not the broker that is late.
        for _ in 0..LOOKS {
            if let Some(entry) = attached.next_within(IDLE).await? {
                return Ok(Some(entry));
            }
            self.source.look().await?;
        }
        attached.next_within(Duration::ZERO).await
    }

    /// Says what was removed before it was read, unless the offsets in between never were entries.
    async fn check_gap(&self, found: u64) -> Result<()> {
        let floor = self.source.range().await?.map_or(found, |range| *range.start());
        if floor > self.next {
            return Err(entries_lost(&format!("the stream {}", self.source.stream()), self.next, floor - 1));
        }
        Ok(())
    }
}
