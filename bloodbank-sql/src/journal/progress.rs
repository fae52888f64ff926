//! How far the journal is written, and the connection that writes it: only one has the lock.

use std::collections::BTreeSet;

use bloodbank_core::store::JournalEntry;
use sqlx_core::{
    connection::{ConnectOptions, Connection},
    executor::Executor,
    pool::Pool,
    query::{Query, query},
    query_scalar::query_scalar,
    raw_sql::raw_sql,
    row::Row as _,
    sql_str::AssertSqlSafe,
};
use sqlx_postgres::{PgArguments, PgConnection, PgRow, Postgres};
use uuid::Uuid;

use super::{
    day::{Day, TODAY},
    partition,
    row::Rows,
    wake::CHANNEL,
};

const PROGRESS: &str = "SELECT source, next_offset, (extract(epoch from latest_at) * 1000)::bigint, pruned_to \
    FROM bloodbank_journal_progress";

/// How far the journal is written.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// The journal that is copied.
    pub(super) source: String,
    /// The offset of the next entry; `None` before the first one.
    pub(super) next: Option<i64>,
    /// The latest time of an entry, in milliseconds.
    latest: i64,
    /// The offset up to which entries were dropped because they were too old.
    pub(super) pruned_to: i64,
}

impl Progress {
    /// `None`: nobody has begun.
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Option<Self>, sqlx_core::Error> {
        query(PROGRESS).fetch_optional(connection).await?.as_ref().map(Self::of).transpose()
    }

    /// The same, after it has taken hold of the journal, so that no day is dropped before the transaction ends. Afterwards would be
    /// too late: a table that is dropped is gone also for those whose transaction sees what was there before.
    pub(super) async fn hold(connection: &mut PgConnection) -> Result<Option<Self>, sqlx_core::Error> {
        let both = AssertSqlSafe(format!("LOCK TABLE ONLY bloodbank_journal IN ACCESS SHARE MODE; {PROGRESS}"));
        connection.fetch_all(raw_sql(both)).await?.first().map(Self::of).transpose()
    }

    fn of(row: &PgRow) -> Result<Self, sqlx_core::Error> {
        Ok(Self { source: row.try_get(0)?, next: row.try_get(1)?, latest: row.try_get(2)?, pruned_to: row.try_get(3)? })
    }

    /// The offset of the newest entry; -1 where there is none.
    pub(super) fn newest(&self) -> i64 {
        self.next.unwrap_or_default() - 1
    }
}

/// The only connection that writes the journal, for as long as it is open.
pub(super) struct Writing {
    connection: PgConnection,
    pub(super) progress: Progress,
    /// The greatest offset that the table has, or had when this began: what is not behind it is not written again.
    written_to: i64,
    /// The last day that has its partitions, as far as this knows.
    ahead: Option<Day>,
    /// The day that is recorded to have begun, and event types that are recorded for it.
    recorded: (Option<Day>, BTreeSet<String>),
}

/// The most event types that are remembered as recorded; it costs a statement where one is not remembered.
const MOST_TYPES: usize = 1_000;

/// What became of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    Batch,
    /// Somebody else has written since.
    Overtaken,
}

/// Of this table, so that journals in two schemas of a database do not wait for each other.
const LOCK: &str = "SELECT pg_try_advisory_lock(729051, 'bloodbank_journal'::regclass::oid::bigint::bit(32)::int)";

impl Writing {
    /// Begins to write the copy of this source; `None`: somebody else is writing.
    pub(super) async fn begin(pool: &Pool<Postgres>, source: &str) -> Result<Option<Self>, sqlx_core::Error> {
        // Apart from the pool: the lock ends with the connection.
        let mut connection = pool.connect_options().connect().await?;
        if !query_scalar::<_, bool>(LOCK).fetch_one(&mut connection).await? {
            connection.close().await?;
            return Ok(None);
        }
        let first = "INSERT INTO bloodbank_journal_progress (source) VALUES ($1) ON CONFLICT DO NOTHING";
        query(first).bind(source).execute(&mut connection).await?;
        let progress = Progress::read(&mut connection).await?.ok_or(sqlx_core::Error::RowNotFound)?;
        let written_to = progress.newest();
        let mut writing = Self { connection, progress, written_to, ahead: None, recorded: (None, BTreeSet::new()) };
        // More than the progress says, where that was restored from an older backup than the rows.
        if let Some((offset, ..)) = writing.last_written().await? {
            writing.written_to = writing.written_to.max(offset.cast_signed());
        }
        Ok(Some(writing))
    }

    /// Creates the partitions of today and tomorrow.
    pub(super) async fn prepare(&mut self) -> Result<(), Unprepared> {
        let statement =
            AssertSqlSafe(format!("SELECT greatest(day, {TODAY}) - DATE 'epoch' FROM bloodbank_journal_progress"));
        let today = query_scalar::<_, i32>(statement).fetch_one(&mut self.connection).await.map(Day);
        let today = today.map_err(Unprepared::Unknown)?;
        for day in [today, today.next()] {
            if self.ahead.is_none_or(|ahead| day > ahead) {
                let created = partition::create(&mut self.connection, day).await;
                created.map_err(|error| match day == today {
                    true => Unprepared::Today(day, error),
                    false => Unprepared::Tomorrow(day, error),
                })?;
                self.ahead = Some(day);
            }
        }
        Ok(())
    }

    /// The event id and the time, in milliseconds, of the last entry that was written, where it is still there.
    pub(super) async fn last_written(&mut self) -> Result<Option<(u64, Option<Uuid>, i64)>, sqlx_core::Error> {
        let newest_day = "SELECT max(day) - DATE 'epoch' FROM bloodbank_journal_day";
        let Some(day) = query_scalar::<_, Option<i32>>(newest_day).fetch_one(&mut self.connection).await? else {
            return Ok(None);
        };
        let statement = AssertSqlSafe(format!(
            "SELECT stream_offset, event_id, (extract(epoch from published_at) * 1000)::bigint FROM bloodbank_journal \
             WHERE day = DATE 'epoch' + {day} ORDER BY stream_offset DESC LIMIT 1"
        ));
        let row = query(statement).fetch_optional(&mut self.connection).await?;
        row.map(|row| Ok((row.try_get::<i64, _>(0)?.cast_unsigned(), row.try_get(1)?, row.try_get(2)?))).transpose()
    }

    /// Writes entries, which follow those that are written, and the progress in one transaction. `lost` are the offsets before
    /// them that the source has removed.
    pub(super) async fn write(
        &mut self,
        entries: &[JournalEntry],
        lost: Option<(i64, i64)>,
    ) -> Result<Written, sqlx_core::Error> {
        let Some(last) = entries.last() else { return Ok(Written::Batch) };
        let mut rows = Rows::of(entries, self.progress.latest, self.written_to);
        let (next, latest) = (last.offset.cast_signed() + 1, rows.latest());
        let mut transaction = self.connection.begin().await?;
        // The day never falls, whatever the clock does, so that the days are in the order of the offsets.
        let advance = AssertSqlSafe(format!(
            "UPDATE bloodbank_journal_progress SET next_offset = $2, \
             latest_at = 'epoch'::timestamptz + $3 * interval '1 millisecond', day = greatest(day, {TODAY}) \
             WHERE next_offset IS NOT DISTINCT FROM $1 RETURNING day - DATE 'epoch', pg_notify('{CHANNEL}', '')::text"
        ));
        let advanced = query(advance).bind(self.progress.next).bind(next).bind(latest);
        let Some(advanced) = advanced.fetch_optional(&mut *transaction).await? else {
            transaction.rollback().await?;
            return Ok(Written::Overtaken);
        };
        let day = Day(advanced.try_get(0)?);
        // It is, unless the clock was set forward.
        if self.ahead.is_none_or(|ahead| day > ahead) {
            partition::create(&mut transaction, day).await?;
        }
        if let Some((first, last)) = lost {
            let statement = "INSERT INTO bloodbank_journal_lost (first_offset, last_offset) VALUES ($1, $2)";
            query(statement).bind(first).bind(last).execute(&mut *transaction).await?;
        }
        let (recorded, known) = (self.recorded.0 == Some(day), &self.recorded.1);
        if let Some(first) = rows.first().filter(|_| !recorded) {
            first.record(day).execute(&mut *transaction).await?;
        }
        let types: BTreeSet<String> =
            rows.types().filter(|event_type| !recorded || !known.contains(*event_type)).map(str::to_owned).collect();
        if !types.is_empty() {
            record_types(&types, day).execute(&mut *transaction).await?;
        }
        if rows.has_causes() {
            rows.insert_causes(day).execute(&mut *transaction).await?;
        }
        let (written_to, is_empty) = (rows.written_to(), rows.is_empty());
        if !is_empty {
            rows.insert(day).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        (self.progress.next, self.progress.latest) = (Some(next), latest);
        self.written_to = written_to;
        self.ahead = self.ahead.max(Some(day));
        if !is_empty {
            self.remember(day, types);
        }
        Ok(Written::Batch)
    }

    /// Remembers what is recorded, so that it is not done again for each batch.
    fn remember(&mut self, day: Day, types: BTreeSet<String>) {
        let (known_day, known) = &mut self.recorded;
        if *known_day != Some(day) || known.len() > MOST_TYPES {
            known.clear();
        }
        *known_day = Some(day);
        known.extend(types);
    }

    /// Drops the oldest day, where all that is in it was written before so many milliseconds; returns whether there may be more.
    pub(super) async fn prune(&mut self, age: i64) -> Result<bool, sqlx_core::Error> {
        let mut transaction = self.connection.begin().await?;
        let Some(day) = partition::oldest(&mut transaction, age).await? else { return Ok(false) };
        // First: whoever looks at the journal holds it, and sees it before all of this or after it.
        partition::drop(&mut transaction, day).await?;
        let forgotten = "DELETE FROM bloodbank_journal_day WHERE day <= DATE 'epoch' + $1";
        if query(forgotten).bind(day.0).execute(&mut *transaction).await?.rows_affected() > 0 {
            let to = "UPDATE bloodbank_journal_progress SET pruned_to = \
                      coalesce((SELECT min(first_offset) FROM bloodbank_journal_day), next_offset, 0) - 1 RETURNING pruned_to";
            let to: i64 = query_scalar(to).fetch_one(&mut *transaction).await?;
            query("DELETE FROM bloodbank_journal_lost WHERE last_offset <= $1")
                .bind(to)
                .execute(&mut *transaction)
                .await?;
            self.progress.pruned_to = to;
        }
        let types = "DELETE FROM bloodbank_journal_type WHERE last_day <= DATE 'epoch' + $1";
        query(types).bind(day.0).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(true)
    }

    pub(super) async fn end(mut self) {
        // The server notices by itself where that fails, and somewhat later where the connection is only closed.
        let _ = query("SELECT pg_advisory_unlock_all()").execute(&mut self.connection).await;
        let _ = self.connection.close().await;
    }
}

/// Why partitions are not there that are needed.
pub(super) enum Unprepared {
    /// Which day it is could not be asked.
    Unknown(sqlx_core::Error),
    /// Nothing can be written.
    Today(Day, sqlx_core::Error),
    /// Nothing can be written from then on.
    Tomorrow(Day, sqlx_core::Error),
}

/// Records that the journal has these event types on a day: a pattern is looked up among them.
fn record_types(types: &BTreeSet<String>, day: Day) -> Query<'static, Postgres, PgArguments> {
    let statement = "INSERT INTO bloodbank_journal_type (event_type, last_day) \
        SELECT event_type, DATE 'epoch' + $2 FROM unnest($1::text[]) AS entry (event_type) WHERE NOT EXISTS (SELECT \
        FROM bloodbank_journal_type AS known WHERE known.event_type = entry.event_type AND known.last_day >= DATE 'epoch' + $2) \
        ON CONFLICT (event_type) DO UPDATE SET last_day = excluded.last_day";
    query(statement).bind(types.iter().cloned().collect::<Vec<_>>()).bind(day.0)
}
