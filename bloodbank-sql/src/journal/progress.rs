//! How far the journal is written, and the connection that writes it: only one has the lock.

use bloodbank_core::store::JournalEntry;
use sqlx_core::{
    connection::{ConnectOptions, Connection},
    pool::Pool,
    query::query,
    query_scalar::query_scalar,
    row::Row as _,
};
use sqlx_postgres::{PgConnection, Postgres};
use uuid::Uuid;

use super::row::Rows;

/// How far the journal is written.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// The journal that is copied.
    pub(super) source: String,
    /// The offset of the next entry; `None` before the first one.
    pub(super) next: Option<i64>,
    /// The latest time of an entry, in milliseconds.
    latest: i64,
    /// The offset up to which entries were deleted because they were too old.
    pub(super) pruned_to: i64,
}

impl Progress {
    /// `None`: nobody has begun.
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Option<Self>, sqlx_core::Error> {
        let statement = "SELECT source, next_offset, (extract(epoch from latest_at) * 1000)::bigint, pruned_to \
                         FROM bloodbank_journal_progress";
        let row = query(statement).fetch_optional(connection).await?;
        row.map(|row| {
            Ok(Self {
                source: row.try_get(0)?,
                next: row.try_get(1)?,
                latest: row.try_get(2)?,
                pruned_to: row.try_get(3)?,
            })
        })
        .transpose()
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
}

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
        Ok(Some(Self { connection, progress }))
    }

    /// The event id and the time, in milliseconds, of the last entry that was written, where it is still there.
    pub(super) async fn last_written(&mut self) -> Result<Option<(u64, Option<Uuid>, i64)>, sqlx_core::Error> {
        let statement = "SELECT stream_offset, event_id, (extract(epoch from published_at) * 1000)::bigint \
                         FROM bloodbank_journal ORDER BY stream_offset DESC LIMIT 1";
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
        let mut rows = Rows::of(entries, self.progress.latest);
        let (next, latest) = (last.offset.cast_signed() + 1, rows.latest());
        let mut transaction = self.connection.begin().await?;
        let advance = "UPDATE bloodbank_journal_progress SET next_offset = $2, \
                       latest_at = 'epoch'::timestamptz + $3 * interval '1 millisecond' \
                       WHERE next_offset IS NOT DISTINCT FROM $1";
        let advanced =
            query(advance).bind(self.progress.next).bind(next).bind(latest).execute(&mut *transaction).await?;
        if advanced.rows_affected() == 0 {
            transaction.rollback().await?;
            return Ok(Written::Overtaken);
        }
        if let Some((first, last)) = lost {
            let statement = "INSERT INTO bloodbank_journal_lost (first_offset, last_offset) VALUES ($1, $2)";
            query(statement).bind(first).bind(last).execute(&mut *transaction).await?;
        }
        if rows.has_causes() {
            rows.insert_causes().execute(&mut *transaction).await?;
        }
        rows.insert().execute(&mut *transaction).await?;
        transaction.commit().await?;
        (self.progress.next, self.progress.latest) = (Some(next), latest);
        Ok(Written::Batch)
    }

    /// Deletes some of the entries that were written before so many milliseconds, oldest first; returns whether there may be more.
    pub(super) async fn prune(&mut self, age: i64) -> Result<bool, sqlx_core::Error> {
        let mut transaction = self.connection.begin().await?;
        let old = "SELECT max(stream_offset) FROM (SELECT stream_offset, written_at FROM bloodbank_journal \
                   ORDER BY stream_offset LIMIT 5000) AS oldest WHERE written_at < clock_timestamp() - $1 * interval '1 millisecond'";
        let Some(to) = query_scalar::<_, Option<i64>>(old).bind(age).fetch_one(&mut *transaction).await? else {
            return Ok(false);
        };
        for statement in [
            "DELETE FROM bloodbank_journal WHERE stream_offset <= $1",
            "DELETE FROM bloodbank_journal_cause WHERE stream_offset <= $1",
            "DELETE FROM bloodbank_journal_lost WHERE last_offset <= $1",
            "UPDATE bloodbank_journal_progress SET pruned_to = $1",
        ] {
            query(statement).bind(to).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        self.progress.pruned_to = to;
        Ok(true)
    }

    pub(super) async fn end(mut self) {
        // The server notices by itself where that fails, and somewhat later where the connection is only closed.
        let _ = query("SELECT pg_advisory_unlock_all()").execute(&mut self.connection).await;
        let _ = self.connection.close().await;
    }
}
