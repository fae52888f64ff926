//! A journal whose older entries are in an archive.

use std::{collections::VecDeque, fmt, sync::Arc};

use futures_util::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use uuid::Uuid;

use super::{Journal, JournalEntries, JournalEntry, JournalQuery, Position, entries_lost};
use crate::error::{Error, ErrorKind, Result};

/// A journal whose older entries are in an archive, which has them under the same offsets: the archive is read up to where the
/// live journal has everything, and the live journal from there on.
///
/// Where the live journal has removed entries that the archive has not got yet, a reader is told which; they are not jumped over.
///
/// ```
/// # use std::sync::Arc;
/// # use bloodbank_core::store::{ArchivedJournal, Journal};
/// fn whole(archive: Arc<dyn Journal>, live: Arc<dyn Journal>) -> Arc<dyn Journal> {
///     Arc::new(ArchivedJournal::new(archive, Some(live)))
/// }
/// ```
#[derive(Clone)]
pub struct ArchivedJournal {
    archive: Arc<dyn Journal>,
    live: Option<Arc<dyn Journal>>,
}

impl ArchivedJournal {
    /// Creates the journal of an archive and what is archived in it; `None`: only the archive is left.
    #[must_use]
    pub fn new(archive: Arc<dyn Journal>, live: Option<Arc<dyn Journal>>) -> Self {
        Self { archive, live }
    }

    fn entries(&self, query: JournalQuery, from: Position, follows: bool) -> JournalEntries {
        let journal = self.clone();
        let begun = async move {
            let reader = Reader::begin(journal, query, from, follows).await?;
            Ok::<_, Error>(stream::try_unfold(reader, |mut reader| async move {
                Ok::<_, Error>(reader.next().await?.map(|entry| (entry, reader)))
            }))
        };
        stream::once(begun).try_flatten().boxed()
    }

    /// Where the live journal begins to have everything; `None`: it has nothing.
    async fn seam(&self) -> Result<Option<u64>> {
        let Some(live) = &self.live else { return Ok(None) };
        let (Some(seam), Some(tip)) = (live.complete_from().await?, live.tip().await?) else { return Ok(None) };
        match self.archive.tip().await? {
            Some(archived) if archived > tip => Err(Error::new(
                ErrorKind::Storage,
                format!(
                    "{} ends at offset {archived}, and {} at {tip}: it is not what was archived, or was deleted and made again; \
                     use another archive",
                    self.archive.describe(),
                    live.describe()
                ),
            )),
            _ => Ok(Some(seam)),
        }
    }
}

impl Journal for ArchivedJournal {
    fn describe(&self) -> String {
        match &self.live {
            Some(live) => format!("{} with {}", live.describe(), self.archive.describe()),
            None => self.archive.describe(),
        }
    }

    fn read(&self, query: JournalQuery, from: Position) -> JournalEntries {
        self.entries(query, from, false)
    }

    fn follow(&self, query: JournalQuery, from: Position) -> JournalEntries {
        self.entries(query, from, true)
    }

    fn get(&self, event_id: Uuid) -> BoxFuture<'_, Result<Option<JournalEntry>>> {
        Box::pin(async move {
            if let Some(live) = &self.live
                && let Some(entry) = live.get(event_id).await?
            {
                return Ok(Some(entry));
            }
            self.archive.get(event_id).await
        })
    }

    fn floor(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async move {
            let live = match &self.live {
                Some(live) => live.floor().await?,
                None => None,
            };
            Ok(match (self.archive.floor().await?, live) {
                (Some(archived), Some(live)) => Some(archived.min(live)),
                (archived, live) => archived.or(live),
            })
        })
    }

    fn tip(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async move {
            let live = match &self.live {
                Some(live) => live.tip().await?,
                None => None,
            };
            Ok(self.archive.tip().await?.max(live))
        })
    }

    fn complete_from(&self) -> BoxFuture<'_, Result<Option<u64>>> {
        Box::pin(async move {
            let (archived, seam) = (self.archive.complete_from().await?, self.seam().await?);
            let tip = self.archive.tip().await?;
            Ok(match (archived, seam) {
                (Some(archived), Some(seam)) if tip.is_some_and(|tip| tip + 1 >= seam) => Some(archived.min(seam)),
                (_, Some(seam)) => Some(seam),
                (archived, None) => archived,
            })
        })
    }
}

impl fmt::Debug for ArchivedJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ArchivedJournal").field(&self.describe()).finish()
    }
}

/// What is read at the moment.
enum Part {
    /// The archive, up to before this offset.
    Archive(JournalEntries, u64),
    /// The last one; the offset from which on it must have everything when its first entry comes.
    Live(JournalEntries, Option<u64>),
}

/// Where a reader is.
struct Reader {
    journal: ArchivedJournal,
    query: JournalQuery,
    follows: bool,
    /// The offset from which on the next part is read.
    next: u64,
    /// Whether entries before `next` were read or looked for, so that those from there on must not be missing.
    is_begun: bool,
    /// Entries that come before the first part.
    read: VecDeque<JournalEntry>,
    part: Option<Part>,
}

impl Reader {
    async fn begin(journal: ArchivedJournal, mut query: JournalQuery, from: Position, follows: bool) -> Result<Self> {
        let next = match from {
            Position::Offset(offset) => offset,
            _ => 0,
        };
        if let Position::Time(time) = from {
            query.since = query.since.max(Some(time));
        }
        if !follows {
            // It ends where it ended when reading began, also where the archive takes long.
            let end = journal.tip().await?.map_or(0, |tip| tip + 1);
            query.before = Some(query.before.map_or(end, |before| before.min(end)));
        }
        let mut reader = Self { journal, query, follows, next, is_begun: false, read: VecDeque::new(), part: None };
        if let Position::Last(count) = from {
            reader.begin_with_last(count).await?;
        }
        Ok(reader)
    }

    /// Begins with the last entries: those of the live journal, and as many of the archive as there are too few.
    async fn begin_with_last(&mut self, count: usize) -> Result<()> {
        let ArchivedJournal { archive, live } = self.journal.clone();
        let Some(live) = live else {
            let (query, from) = (self.query.clone(), Position::Last(count));
            let entries = if self.follows { archive.follow(query, from) } else { archive.read(query, from) };
            self.part = Some(Part::Live(entries, None));
            return Ok(());
        };
        if count == 0 {
            let entries = match self.follows {
                true => live.follow(self.query.clone(), Position::Last(0)),
                false => stream::empty().boxed(),
            };
            self.part = Some(Part::Live(entries, None));
            return Ok(());
        }
        let newest: Vec<JournalEntry> = live.read(self.query.clone(), Position::Last(count)).try_collect().await?;
        // Asked afterwards: what stands behind it was there when these were read.
        let (seam, archived) = (self.journal.seam().await?, archive.tip().await?);
        let complete = newest.iter().filter(|entry| seam.is_some_and(|seam| entry.offset >= seam)).count();
        if let Some(archived) = archived.filter(|_| complete < count) {
            let next = seam.unwrap_or(archived + 1);
            if archived + 1 < next {
                return Err(self.lost(archived + 1, next - 1));
            }
            let mut older = self.query.clone();
            older.before = Some(older.before.map_or(next, |before| before.min(next)));
            self.read = archive.read(older, Position::Last(count - complete)).try_collect().await?;
            (self.next, self.is_begun) = (next, true);
            return Ok(());
        }
        match newest.last() {
            Some(last) => (self.next, self.is_begun) = (last.offset + 1, true),
            None => self.next = seam.unwrap_or_default(),
        }
        self.read = newest.into();
        if !self.follows {
            self.part = Some(Part::Live(stream::empty().boxed(), None));
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<JournalEntry>> {
        if let Some(entry) = self.read.pop_front() {
            return Ok(Some(entry));
        }
        loop {
            match &mut self.part {
                None => self.part = Some(self.choose().await?),
                Some(Part::Archive(entries, end)) => match entries.try_next().await? {
                    Some(entry) => return Ok(Some(entry)),
                    None => {
                        (self.next, self.is_begun) = (*end, true);
                        self.part = None;
                    }
                },
                Some(Part::Live(entries, unchecked)) => {
                    let read = entries.try_next().await;
                    let from = unchecked.or((read.is_err() && self.is_begun).then_some(self.next));
                    // What it has removed before it was read is in the archive.
                    if let Some(from) = from
                        && self.journal.seam().await?.is_some_and(|seam| seam > from)
                    {
                        self.part = None;
                        continue;
                    }
                    *unchecked = None;
                    if let Ok(Some(entry)) = &read {
                        (self.next, self.is_begun) = (entry.offset + 1, true);
                    }
                    return read;
                }
            }
        }
    }

    /// The part that has the next entries.
    async fn choose(&mut self) -> Result<Part> {
        let ArchivedJournal { archive, live } = self.journal.clone();
        let seam = self.journal.seam().await?;
        let archived = archive.tip().await?.filter(|tip| *tip >= self.next);
        let Some(live) = live else { return Ok(Part::Live(self.rest_of(&*archive), None)) };
        let before = self.query.before.unwrap_or(u64::MAX);
        match (seam, archived) {
            (Some(seam), _) if seam <= self.next => Ok(Part::Live(self.rest_of(&*live), Some(self.next))),
            (Some(seam), Some(tip)) if archive.floor().await?.is_some_and(|floor| floor < seam) => {
                // Up to where the archive has something; what is missing behind it is said then.
                let end = seam.min(tip + 1).min(before.max(self.next));
                let part = archive.read(self.query.clone().before(end), Position::Offset(self.next));
                Ok(if before <= end { Part::Live(part, None) } else { Part::Archive(part, end) })
            }
            (Some(seam), _) if self.is_begun => Err(self.lost(self.next, seam - 1)),
            // It was not archived, and begins where it begins.
            (Some(seam), _) => Ok(Part::Live(self.rest_of(&*live), Some(seam))),
            // It has nothing, or not yet.
            (None, Some(tip)) => {
                let part = archive.read(self.query.clone().before(before.min(tip + 1)), Position::Offset(self.next));
                Ok(if self.follows { Part::Archive(part, tip + 1) } else { Part::Live(part, None) })
            }
            (None, None) => Ok(Part::Live(self.rest_of(&*live), self.is_begun.then_some(self.next))),
        }
    }

    fn rest_of(&self, journal: &dyn Journal) -> JournalEntries {
        let (query, from) = (self.query.clone(), Position::Offset(self.next));
        if self.follows { journal.follow(query, from) } else { journal.read(query, from) }
    }

    fn lost(&self, from: u64, to: u64) -> Error {
        entries_lost(&self.journal.describe(), from, to)
    }
}
