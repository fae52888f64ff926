//! What the journal in PostgreSQL has.

use bloodbank_core::Result;
use sqlx_core::{pool::Pool, query::query, row::Row as _};
use sqlx_postgres::Postgres;

use super::READ;
use crate::error::storage;

/// What the journal in PostgreSQL has, and how far it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalTableStatus {
    /// The journal that is copied; `None`: no writer has begun.
    pub source: Option<String>,
    /// The offsets of the oldest and the newest entry; `None`: there are none.
    pub range: Option<(u64, u64)>,
    /// The offset of the entry that is copied next; `None` before the first one.
    pub next: Option<u64>,
    /// The number of entries, as the statistics of PostgreSQL estimate it: counting would read them all.
    pub rows: u64,
    /// The number of partitions: days on which something was written, or could have been.
    pub partitions: u64,
    /// The size of the tables and their indexes.
    pub bytes: u64,
    /// The first and the last offset of what was removed from the source before it was copied, for each time this happened.
    pub lost: Vec<(u64, u64)>,
}

impl JournalTableStatus {
    /// The number of offsets of the source that are not copied yet, when its newest entry has this one.
    #[must_use]
    pub fn lag(&self, tip: Option<u64>) -> u64 {
        let next = self.next.unwrap_or_default();
        tip.map_or(0, |tip| tip.saturating_add(1).saturating_sub(next))
    }

    /// Reads what the journal in this database has.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`](bloodbank_core::ErrorKind::Storage).
    pub async fn read(pool: &Pool<Postgres>) -> Result<Self> {
        look(pool).await.map_err(storage(READ))
    }
}

const STATUS: &str = "SELECT (SELECT source FROM bloodbank_journal_progress), \
    (SELECT next_offset FROM bloodbank_journal_progress), \
    (SELECT min(first_offset) FROM bloodbank_journal_day), \
    (SELECT next_offset - 1 FROM bloodbank_journal_progress WHERE EXISTS (SELECT FROM bloodbank_journal_day)), \
    (SELECT sum(greatest(n_live_tup, 0))::bigint FROM pg_stat_user_tables WHERE relid IN \
        (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'bloodbank_journal'::regclass)), \
    (SELECT count(*) FROM pg_inherits WHERE inhparent = 'bloodbank_journal'::regclass), \
    (SELECT sum(pg_total_relation_size(inhrelid))::bigint FROM pg_inherits \
        WHERE inhparent IN ('bloodbank_journal'::regclass, 'bloodbank_journal_cause'::regclass))";

async fn look(pool: &Pool<Postgres>) -> Result<JournalTableStatus, sqlx_core::Error> {
    let row = query(STATUS).fetch_one(pool).await?;
    let offset = |column| Ok::<_, sqlx_core::Error>(row.try_get::<Option<i64>, _>(column)?.map(i64::cast_unsigned));
    let lost = query("SELECT first_offset, last_offset FROM bloodbank_journal_lost ORDER BY 1").fetch_all(pool).await?;
    let lost = lost
        .iter()
        .map(|row| Ok((row.try_get::<i64, _>(0)?.cast_unsigned(), row.try_get::<i64, _>(1)?.cast_unsigned())));
    Ok(JournalTableStatus {
        source: row.try_get(0)?,
        next: offset(1)?,
        range: offset(2)?.zip(offset(3)?),
        rows: offset(4)?.unwrap_or_default(),
        partitions: offset(5)?.unwrap_or_default(),
        bytes: offset(6)?.unwrap_or_default(),
        lost: lost.collect::<Result<_, sqlx_core::Error>>()?,
    })
}
