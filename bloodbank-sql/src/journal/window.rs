//! Which days have a range of offsets: a look at the journal names the days that it looks at, so that it is planned for these
//! partitions alone, however many there are.

use std::ops::RangeInclusive;

use sqlx_core::{query::query, row::Row as _};
use sqlx_postgres::PgConnection;

/// Some days that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    /// The days, as [`Day`](super::day::Day) counts them.
    pub(super) days: RangeInclusive<i32>,
    /// Those of the offsets that were asked for that these days have.
    pub(super) offsets: RangeInclusive<i64>,
    /// Whether other days have the rest of the offsets.
    pub(super) has_more: bool,
}

/// The most days of a window: each partition and each of its indexes is locked while it is looked at, and a server has some
/// thousands of locks.
pub(super) const MOST_DAYS: i64 = 16;

const DAYS: &str = "SELECT day - DATE 'epoch', first_offset FROM bloodbank_journal_day WHERE first_offset <= $2 \
    AND day >= coalesce((SELECT max(day) FROM bloodbank_journal_day WHERE first_offset <= $1), '-infinity')";

/// The first days of a range of offsets, so many of them; `None`: there is nothing in it.
pub(super) async fn first(
    connection: &mut PgConnection,
    range: &RangeInclusive<i64>,
    most: i64,
) -> Result<Option<Window>, sqlx_core::Error> {
    let (days, after) = read(connection, range, most, "ASC").await?;
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(None) };
    let end = after.map_or(*range.end(), |(_, offset)| offset - 1);
    Ok(Some(Window { days: first.0..=last.0, offsets: *range.start()..=end, has_more: after.is_some() }))
}

/// The last days of a range of offsets, so many of them; `None`: there is nothing in it.
pub(super) async fn last(
    connection: &mut PgConnection,
    range: &RangeInclusive<i64>,
    most: i64,
) -> Result<Option<Window>, sqlx_core::Error> {
    let (days, before) = read(connection, range, most, "DESC").await?;
    let (Some(last), Some(first)) = (days.first(), days.last()) else { return Ok(None) };
    let begin = if before.is_some() { first.1 } else { *range.start() };
    Ok(Some(Window { days: first.0..=last.0, offsets: begin..=*range.end(), has_more: before.is_some() }))
}

/// A day, and the offset of its first entry.
type Begun = (i32, i64);

/// So many days, and the one after them.
async fn read(
    connection: &mut PgConnection,
    range: &RangeInclusive<i64>,
    most: i64,
    order: &str,
) -> Result<(Vec<Begun>, Option<Begun>), sqlx_core::Error> {
    let statement = sqlx_core::sql_str::AssertSqlSafe(format!("{DAYS} ORDER BY day {order} LIMIT $3"));
    let rows = query(statement).bind(*range.start()).bind(*range.end()).bind(most + 1).fetch_all(connection).await?;
    let mut days = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<Vec<Begun>, sqlx_core::Error>>()?;
    let other = if i64::try_from(days.len()).is_ok_and(|count| count > most) { days.pop() } else { None };
    Ok((days, other))
}
