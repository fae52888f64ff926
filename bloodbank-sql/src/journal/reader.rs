//! A reader of the table: page by page, each page one look at the database.

use bloodbank_core::{
    Error, Result,
    store::{Journal, JournalEntries, JournalEntry, JournalQuery, Position, entries_lost},
};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use sqlx_core::{row::Row as _, transaction::Transaction};
use sqlx_postgres::{PgConnection, Postgres};

use super::{
    PostgresJournal,
    progress::Progress,
    select::{Select, first_at},
    wake::Listener,
};

/// Where a reader is.
pub(super) struct Reader {
    journal: PostgresJournal,
    query: JournalQuery,
    /// The entries before `next` that were read already.
    read: Vec<JournalEntry>,
    next: i64,
    /// The newest offset when reading began.
    newest: i64,
    /// The last offset to read; `None`: there is no last one.
    to: Option<i64>,
    /// The number of days that the next look is at.
    days: i64,
    /// What wakes a follower; `None`: it has not waited yet.
    listener: Option<Listener>,
    /// Whether `next` follows what was read or was the newest, so that entries from there on must not be missing.
    is_begun: bool,
}

enum Turn {
    Entries(Vec<JournalEntry>),
    /// Nothing is there yet.
    Wait,
    /// Offsets that must be said to be lost.
    Lost(u64, u64),
}

impl Reader {
    pub(super) async fn begin(journal: PostgresJournal, mut query: JournalQuery, from: Position) -> Result<Self> {
        if let Position::Time(time) = from {
            query.since = query.since.max(Some(time));
        }
        let looked = async {
            let (snapshot, progress) = journal.look().await?;
            let newest = progress.map_or(-1, |progress| progress.newest());
            let begun = begin(&journal, snapshot, &query, from, newest).await?;
            Ok((newest, begun))
        };
        let (newest, (read, next)) = journal.unless_closed(looked).await?;
        // What comes after the newest entry is missed by whoever begins behind it.
        let is_begun = matches!(from, Position::Last(_));
        Ok(Self { journal, query, read, next, newest, to: None, days: 1, listener: None, is_begun })
    }

    /// The entries that are there now.
    pub(super) fn until_now(mut self) -> JournalEntries {
        let before = self.query.before.map(|before| i64::try_from(before).unwrap_or(i64::MAX).saturating_sub(1));
        self.to = Some(before.map_or(self.newest, |before| self.newest.min(before)));
        self.entries()
    }

    /// Those that were read already, and the pages after them.
    pub(super) fn entries(mut self) -> JournalEntries {
        let read = std::mem::take(&mut self.read);
        let pages = stream::try_unfold(self, |mut reader| async move {
            let page = reader.page().await?;
            Ok::<_, Error>(page.map(|entries| (stream::iter(entries.into_iter().map(Ok)), reader)))
        });
        stream::iter(read.into_iter().map(Ok)).chain(pages.try_flatten()).boxed()
    }

    /// The entries of the next page that pass; `None`: there are no more.
    async fn page(&mut self) -> Result<Option<Vec<JournalEntry>>> {
        loop {
            if self.to.is_some_and(|to| self.next > to) {
                return Ok(None);
            }
            let journal = self.journal.clone();
            if let Some(listener) = &mut self.listener {
                listener.looks();
            }
            match journal.unless_closed(self.turn()).await? {
                Turn::Entries(entries) => return Ok(Some(entries)),
                Turn::Lost(from, to) => return Err(entries_lost(&journal.describe(), from, to)),
                Turn::Wait => match &mut self.listener {
                    Some(listener) => journal.unless_closed(listener.wait(journal.interval).map(Ok)).await?,
                    // What was written before it listens is looked for once more.
                    None => self.listener = Some(journal.listen()),
                },
            }
        }
    }

    /// One look at the database, in which nothing changes.
    async fn turn(&mut self) -> Result<Turn, sqlx_core::Error> {
        let (mut snapshot, progress) = self.journal.look().await?;
        let newest = progress.as_ref().map_or(-1, Progress::newest);
        let mut end = self.to.map_or(newest, |to| to.min(newest));
        if self.next > end {
            return Ok(Turn::Wait);
        }
        let pruned = progress.map_or(-1, |progress| progress.pruned_to);
        if self.is_begun && pruned >= self.next {
            return Ok(Turn::Lost(self.next.cast_unsigned(), pruned.cast_unsigned()));
        }
        if let Some((first, last)) = lost(&mut snapshot, self.next).await?.filter(|(first, _)| *first <= end) {
            if self.next >= first && self.is_begun {
                return Ok(Turn::Lost(self.next.cast_unsigned(), last.cast_unsigned()));
            }
            if self.next >= first {
                self.next = last + 1;
                return Ok(Turn::Entries(Vec::new()));
            }
            end = first - 1;
        }
        let select = Select::new(&mut snapshot, &self.query).await?;
        let page = select.first(&mut snapshot, self.next..=end, self.days).await?;
        snapshot.commit().await?;
        self.days = page.next_days(self.days);
        self.next = page.looked_to.unwrap_or(end) + 1;
        self.is_begun = true;
        Ok(Turn::Entries(page.entries))
    }
}

/// The entries before the first page, and the offset at which that begins.
async fn begin(
    journal: &PostgresJournal,
    mut snapshot: Transaction<'static, Postgres>,
    query: &JournalQuery,
    from: Position,
    newest: i64,
) -> Result<(Vec<JournalEntry>, i64), sqlx_core::Error> {
    let first = match query.since {
        Some(since) => first_at(&mut snapshot, since).await?.unwrap_or(newest + 1),
        None => 0,
    };
    if let Position::Last(count @ 1..) = from {
        let select = Select::new(&mut snapshot, query).await?;
        snapshot.commit().await?;
        return Ok((select.last(journal, first..=newest, count).await?, newest + 1));
    }
    snapshot.commit().await?;
    let next = match from {
        Position::Start | Position::Time(_) => first,
        Position::Offset(offset) => i64::try_from(offset).unwrap_or(i64::MAX),
        Position::Last(_) => newest + 1,
    };
    Ok((Vec::new(), next))
}

/// The first offsets at or behind this one that were lost before they were copied.
async fn lost(connection: &mut PgConnection, from: i64) -> Result<Option<(i64, i64)>, sqlx_core::Error> {
    let statement = "SELECT first_offset, last_offset FROM bloodbank_journal_lost WHERE last_offset >= $1 \
                     ORDER BY first_offset LIMIT 1";
    let row = sqlx_core::query::query(statement).bind(from).fetch_optional(connection).await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).transpose()
}
