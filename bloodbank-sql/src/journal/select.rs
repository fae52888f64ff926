//! The statements of a query. What an index knows is asked of it; [`JournalQuery::passes`] judges the rest.

use std::ops::RangeInclusive;

use bloodbank_core::store::{JournalEntry, JournalQuery};
use chrono::{DateTime, Utc};
use sqlx_core::{executor::Executor, query_builder::QueryBuilder, query_scalar::query_scalar, row::Row as _};
use sqlx_postgres::{PgConnection, Postgres};

use super::{
    PostgresJournal,
    row::{self, COLUMNS, text},
    window::{self, MOST_DAYS, Window},
};

/// The number of entries that are read at once.
const PAGE: usize = 500;
/// The most event types that are looked up one by one: each has its own place in the index.
const MOST_TYPES: i64 = 256;

/// The days of one transaction: it keeps the locks of all partitions that it has looked at.
const DAYS_OF_A_LOOK: i64 = 4 * MOST_DAYS;

/// The types that the journal has; no more than are wanted.
const TYPES: &str = "SELECT event_type FROM bloodbank_journal_type LIMIT $1";

/// Entries of some days of a range, and those that a query passes among them.
pub(super) struct Page {
    /// The entries that pass, in the order of the statement.
    pub(super) entries: Vec<JournalEntry>,
    /// The last offset that was looked at; `None`: all of the range was.
    pub(super) looked_to: Option<i64>,
    /// Whether it has as many entries as a page may have, before they are judged one by one.
    pub(super) is_full: bool,
}

impl Page {
    /// The number of days to look at next: more and more while they have few entries that pass, and one where they have many.
    pub(super) fn next_days(&self, days: i64) -> i64 {
        if self.is_full { 1 } else { (days * 2).min(MOST_DAYS) }
    }
}

#[derive(Clone, Copy)]
enum Order {
    OldestFirst,
    NewestFirst,
}

/// A query, and the event types that its pattern matches.
pub(super) struct Select<'a> {
    query: &'a JournalQuery,
    /// `None`: any.
    types: Option<Vec<String>>,
}

impl<'a> Select<'a> {
    pub(super) async fn new(connection: &mut PgConnection, query: &'a JournalQuery) -> Result<Self, sqlx_core::Error> {
        Ok(Self { query, types: types(connection, query).await? })
    }

    /// Of a query that has no pattern.
    pub(super) fn of_any_type(query: &'a JournalQuery) -> Self {
        Self { query, types: None }
    }

    /// The first entries of a range, from so many of its days.
    pub(super) async fn first(
        &self,
        connection: &mut PgConnection,
        range: RangeInclusive<i64>,
        days: i64,
    ) -> Result<Page, sqlx_core::Error> {
        self.page(connection, &range, Order::OldestFirst, days, PAGE).await
    }

    /// The last entries of a range that pass, oldest first.
    pub(super) async fn last(
        &self,
        journal: &PostgresJournal,
        range: RangeInclusive<i64>,
        most: usize,
    ) -> Result<Vec<JournalEntry>, sqlx_core::Error> {
        let (mut entries, begin) = (Vec::new(), *range.start());
        let (mut end, mut days) = (Some(*range.end()), 1);
        while end.is_some() && entries.len() < most {
            let (mut snapshot, _) = journal.look().await?;
            let mut looked_at = 0;
            while let Some(to) = end.filter(|_| entries.len() < most && looked_at < DAYS_OF_A_LOOK) {
                let size = PAGE.min(most - entries.len());
                let page = self.page(&mut snapshot, &(begin..=to), Order::NewestFirst, days, size).await?;
                looked_at += days;
                days = page.next_days(days);
                entries.extend(page.entries);
                end = page.looked_to.map(|offset| offset - 1);
            }
            snapshot.commit().await?;
        }
        entries.reverse();
        Ok(entries)
    }

    async fn page(
        &self,
        connection: &mut PgConnection,
        range: &RangeInclusive<i64>,
        order: Order,
        days: i64,
        size: usize,
    ) -> Result<Page, sqlx_core::Error> {
        let nothing = Page { entries: Vec::new(), looked_to: None, is_full: false };
        if range.is_empty() || self.types.as_ref().is_some_and(Vec::is_empty) {
            return Ok(nothing);
        }
        let window = match order {
            Order::OldestFirst => window::first(connection, range, days).await?,
            Order::NewestFirst => window::last(connection, range, days).await?,
        };
        let Some(window) = window else { return Ok(nothing) };
        let mut statement = self.statement(&window, order, size);
        // Planned each time, with its values: a plan for any range would sort all entries of a type.
        let rows = connection.fetch_all(statement.build().persistent(false)).await?;
        let read = rows.iter().map(row::read).collect::<Result<Vec<_>, _>>()?;
        let is_full = read.len() >= size;
        let looked_to = match (order, read.last()) {
            (_, Some(last)) if is_full => Some(last.offset.cast_signed()),
            _ if !window.has_more => None,
            (Order::OldestFirst, _) => Some(*window.offsets.end()),
            (Order::NewestFirst, _) => Some(*window.offsets.start()),
        };
        Ok(Page { entries: read.into_iter().filter(|entry| self.query.passes(entry)).collect(), looked_to, is_full })
    }

    fn statement(&self, window: &Window, order: Order, size: usize) -> QueryBuilder<Postgres> {
        let order = match order {
            Order::OldestFirst => "ASC",
            Order::NewestFirst => "DESC",
        };
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let mut statement = QueryBuilder::new(format!("SELECT {COLUMNS} FROM bloodbank_journal WHERE "));
        match &self.types {
            // The index has the offsets of each type in order: so many of each are enough, whichever types are rare.
            Some(types) if self.query.event_id.is_none() && self.query.caused_by.is_none() => {
                statement.push("stream_offset IN (SELECT entry.stream_offset FROM unnest(").push_bind(types.clone());
                statement.push("::text[]) AS wanted (event_type) CROSS JOIN LATERAL (SELECT stream_offset FROM ");
                statement.push("bloodbank_journal AS journal WHERE journal.event_type = wanted.event_type AND ");
                self.push_conditions(&mut statement, window);
                statement.push(format!(" ORDER BY stream_offset {order} LIMIT {size}) AS entry"));
                statement.push(format!(" ORDER BY entry.stream_offset {order} LIMIT {size}) AND "));
                push_days(&mut statement, window);
            }
            types => {
                self.push_conditions(&mut statement, window);
                if let Some(types) = types {
                    statement.push(" AND event_type = ANY (").push_bind(types.clone()).push(")");
                }
            }
        }
        statement.push(format!(" ORDER BY stream_offset {order} LIMIT {size}"));
        statement
    }

    /// The conditions apart from the types.
    fn push_conditions(&self, statement: &mut QueryBuilder<Postgres>, window: &Window) {
        let JournalQuery {
            pattern, exchange, source, since, until, before, caused_by, event_id, text: payload, ..
        } = self.query;
        let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX).saturating_sub(1));
        push_days(statement, window);
        statement.push(" AND stream_offset BETWEEN ").push_bind(*window.offsets.start());
        statement.push(" AND ").push_bind((*window.offsets.end()).min(before));
        if let (Some(pattern), None) = (pattern, &self.types) {
            let words = pattern.as_str().split(['*', '#']).next().unwrap_or_default();
            statement.push(" AND starts_with(event_type, ").push_bind(text(words.trim_end_matches('.')).into_owned());
            statement.push(")");
        }
        if let Some(exchange) = exchange {
            statement.push(" AND exchange = ").push_bind(text(exchange).into_owned());
        }
        if let Some(source) = source {
            let source = text(source).into_owned();
            statement.push(" AND (source = ").push_bind(source.clone()).push(" OR app_id = ").push_bind(source);
            statement.push(")");
        }
        if let Some(since) = since {
            statement.push(" AND published_at >= ");
            push_time(statement, since);
        }
        if let Some(until) = until {
            // Times of PostgreSQL end with the microsecond.
            statement.push(" AND published_at <= ");
            push_time(statement, until);
        }
        if let Some(cause) = caused_by {
            statement.push(" AND stream_offset IN (SELECT stream_offset FROM bloodbank_journal_cause WHERE cause = ");
            statement.push_bind(*cause).push(" AND ");
            push_days(statement, window);
            statement.push(")");
        }
        if let Some(id) = event_id {
            statement.push(" AND event_id = ").push_bind(*id);
        }
        if let Some(payload) = payload {
            statement.push(" AND position(").push_bind(payload.as_bytes().to_vec()).push(" in body) > 0");
        }
    }
}

/// The offset of the first entry that was published at this time or later; `None`: there is none.
pub(super) async fn first_at(
    connection: &mut PgConnection,
    time: DateTime<Utc>,
) -> Result<Option<i64>, sqlx_core::Error> {
    // It is on the last day that begins before that time, or the first one of the day after.
    let mut days = QueryBuilder::<Postgres>::new(
        "SELECT max(day) FILTER (WHERE is_before) - DATE 'epoch', min(first_offset) FILTER (WHERE NOT is_before) \
         FROM (SELECT day, first_offset, first_latest_at < ",
    );
    push_time(&mut days, &time);
    days.push(" AS is_before FROM bloodbank_journal_day) AS begun");
    let row = days.build().fetch_one(&mut *connection).await?;
    let (day, after): (Option<i32>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
    let Some(day) = day else { return Ok(after) };
    let mut statement =
        QueryBuilder::<Postgres>::new("SELECT stream_offset FROM bloodbank_journal WHERE latest_at >= ");
    push_time(&mut statement, &time);
    statement.push(format!(" AND day = DATE 'epoch' + {day} ORDER BY latest_at, stream_offset LIMIT 1"));
    let within = statement.build_query_scalar().persistent(false).fetch_optional(connection).await?;
    Ok(within.or(after))
}

/// The condition by which a look is planned for the partitions of some days alone.
fn push_days(statement: &mut QueryBuilder<Postgres>, window: &Window) {
    let (first, last) = (window.days.start(), window.days.end());
    statement.push(format!("day BETWEEN DATE 'epoch' + {first} AND DATE 'epoch' + {last}"));
}

fn push_time(statement: &mut QueryBuilder<Postgres>, time: &DateTime<Utc>) {
    statement.push("'epoch'::timestamptz + ").push_bind(time.timestamp_micros()).push(" * interval '1 microsecond'");
}

/// The event types that a query can have; `None`: any, or too many.
async fn types(connection: &mut PgConnection, query: &JournalQuery) -> Result<Option<Vec<String>>, sqlx_core::Error> {
    let known = match &query.pattern {
        _ if !query.types.is_empty() => query.types.clone(),
        None => return Ok(None),
        Some(pattern) if pattern.as_str() == "#" => return Ok(None),
        Some(_) => query_scalar(TYPES).bind(MOST_TYPES + 1).fetch_all(connection).await?,
    };
    if i64::try_from(known.len()).is_ok_and(|count| count > MOST_TYPES) {
        return Ok(None);
    }
    let matching =
        known.into_iter().filter(|known| query.pattern.as_ref().is_none_or(|pattern| pattern.matches(known)));
    Ok(Some(matching.map(|known| text(&known).into_owned()).collect()))
}
