//! The entries of the journal in the file, read a page at a time.

use bloodbank_core::store::{JournalEntry, JournalQuery};
use chrono::DateTime;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::{
    by_type::{self, From},
    load,
};

/// The number of entries in one page.
const PAGE: usize = 500;

pub(super) const SELECT: &str =
    "SELECT published_at, exchange, key, properties, body, coalesce(type, key), id FROM messages";

/// The newest entries up to an id that pass a query, oldest first.
pub(super) fn last(
    connection: &Connection,
    query: &JournalQuery,
    count: usize,
    newest: i64,
) -> rusqlite::Result<Vec<JournalEntry>> {
    // What is found by the index is there when it is read.
    let transaction = connection.unchecked_transaction()?;
    let newest = query.before.map_or(newest, |before| newest.min(i64::try_from(before).unwrap_or(i64::MAX) - 1));
    let mut entries = match by_type::selected(&transaction, query)? {
        Some(types) => last_of_types(&transaction, query, &types, count, newest)?,
        None => last_of_all(&transaction, query, count, newest)?,
    };
    entries.reverse();
    Ok(entries)
}

fn last_of_all(
    connection: &Connection,
    query: &JournalQuery,
    count: usize,
    newest: i64,
) -> rusqlite::Result<Vec<JournalEntry>> {
    let since = query.since.map_or(i64::MIN, |since| since.timestamp_millis());
    let text =
        format!("{SELECT} WHERE id <= ?3 AND published_at >= ?1 AND (?2 IS NULL OR exchange = ?2) ORDER BY id DESC");
    let mut statement = connection.prepare(&text)?;
    let mut rows = statement.query(params![since, query.exchange, newest])?;
    let mut entries = Vec::new();
    while entries.len() < count {
        let Some(row) = rows.next()? else { break };
        entries.extend(passing(row, query)?);
    }
    Ok(entries)
}

fn last_of_types(
    connection: &Connection,
    query: &JournalQuery,
    types: &[String],
    count: usize,
    mut newest: i64,
) -> rusqlite::Result<Vec<JournalEntry>> {
    let mut entries = Vec::new();
    while entries.len() < count {
        let ids = by_type::ids(connection, types, (0, newest), From::Newest, PAGE)?;
        let Some(oldest) = ids.last() else { break };
        newest = oldest - 1;
        for id in ids {
            if entries.len() < count {
                entries.extend(one(connection, query, id)?);
            }
        }
    }
    Ok(entries)
}

/// The entries of a page that pass the query, and the last id that was looked at; `None`: there are no more.
pub(super) fn page(
    connection: &Connection,
    query: &JournalQuery,
    from: i64,
    to: i64,
) -> rusqlite::Result<(Vec<JournalEntry>, Option<i64>)> {
    let transaction = connection.unchecked_transaction()?;
    // An id selects better than a type.
    let types = if query.event_id.is_none() { by_type::selected(&transaction, query)? } else { None };
    let Some(types) = types else { return page_of_all(&transaction, query, from, to) };
    let ids = by_type::ids(&transaction, &types, (from, to), From::Oldest, PAGE)?;
    let last = ids.last().copied().filter(|_| ids.len() == PAGE);
    let mut entries = Vec::new();
    for id in ids {
        entries.extend(one(&transaction, query, id)?);
    }
    Ok((entries, last))
}

fn page_of_all(
    connection: &Connection,
    query: &JournalQuery,
    from: i64,
    to: i64,
) -> rusqlite::Result<(Vec<JournalEntry>, Option<i64>)> {
    let text = match query.event_id {
        // Also those whose id stands in the body alone.
        Some(_) => format!(
            "{SELECT} WHERE id BETWEEN ?1 AND ?2 AND (event_id = ?3 OR event_id IS NULL) ORDER BY id LIMIT {PAGE}"
        ),
        None => format!("{SELECT} WHERE id BETWEEN ?1 AND ?2 AND ?3 IS NULL ORDER BY id LIMIT {PAGE}"),
    };
    let mut statement = connection.prepare(&text)?;
    let mut rows = statement.query(params![from, to, query.event_id.as_ref().map(Uuid::as_bytes)])?;
    let (mut entries, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        last = Some(row.get(6)?);
        entries.extend(passing(row, query)?);
    }
    Ok((entries, last))
}

/// The entry with an id, if it passes.
fn one(connection: &Connection, query: &JournalQuery, id: i64) -> rusqlite::Result<Option<JournalEntry>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
    let mut rows = statement.query([id])?;
    rows.next()?.map_or(Ok(None), |row| passing(row, query))
}

/// The entry of a row that passes. Most rows fail by their head, and their bodies are not read.
fn passing(row: &Row<'_>, query: &JournalQuery) -> rusqlite::Result<Option<JournalEntry>> {
    let (published_at, exchange) = (row.get::<_, i64>(0)?, row.get_ref(1)?.as_str()?);
    let event_type = row.get_ref(5)?.as_str()?;
    let may_pass = query.since.is_none_or(|since| published_at >= since.timestamp_millis())
        && query.exchange.as_ref().is_none_or(|wanted| wanted == exchange)
        && query.pattern.as_ref().is_none_or(|pattern| pattern.matches(event_type));
    if !may_pass {
        return Ok(None);
    }
    Ok(Some(entry(row)?).filter(|entry| query.passes(entry)))
}

pub(super) fn entry(row: &Row<'_>) -> rusqlite::Result<JournalEntry> {
    let offset: i64 = row.get(6)?;
    Ok(JournalEntry::new(
        u64::try_from(offset).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(6, offset))?,
        DateTime::from_timestamp_millis(row.get(0)?).unwrap_or_default(),
        load::message(row, [1, 2, 3, 4])?,
    ))
}
