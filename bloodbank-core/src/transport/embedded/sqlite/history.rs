//! Reads the journal of published messages, beside the thread that writes it.

use std::path::Path;

use chrono::DateTime;
use rusqlite::{Connection, OpenFlags, Row, params};
use uuid::Uuid;

use super::{PATIENCE, failure, load};
use crate::{
    error::Result,
    transport::embedded::{HistoryFilter, Recorded},
};

/// The newest messages that pass a filter.
pub(in crate::transport::embedded) fn newest(path: &Path, filter: &HistoryFilter) -> Result<Vec<Recorded>> {
    let since = filter.since.map_or(i64::MIN, |since| since.timestamp_millis());
    let query = format!("{COLUMNS} WHERE published_at >= ?1 AND (?2 IS NULL OR exchange = ?2) ORDER BY id DESC");
    read(path, |connection| {
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query(params![since, filter.exchange])?;
        let mut found = Vec::new();
        while found.len() < filter.limit {
            let Some(row) = rows.next()? else { break };
            let event_type = row.get_ref(5)?.as_str()?;
            if filter.pattern.as_ref().is_none_or(|pattern| pattern.matches(event_type)) {
                found.push(recorded(row)?);
            }
        }
        Ok(found)
    })
}

/// The newest message with this event id.
pub(in crate::transport::embedded) fn one(path: &Path, event_id: Uuid) -> Result<Option<Recorded>> {
    let query = format!("{COLUMNS} WHERE event_id = ?1 ORDER BY id DESC LIMIT 1");
    read(path, |connection| {
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query([event_id.as_bytes()])?;
        rows.next()?.map(recorded).transpose()
    })
}

const COLUMNS: &str = "SELECT published_at, exchange, key, properties, body, coalesce(type, key) FROM messages";

fn read<T>(path: &Path, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(path, flags)
        .and_then(|connection| {
            connection.busy_timeout(PATIENCE)?;
            read(&connection)
        })
        .map_err(|error| failure(path, "cannot be read", &error))
}

fn recorded(row: &Row<'_>) -> rusqlite::Result<Recorded> {
    Ok(Recorded {
        published_at: DateTime::from_timestamp_millis(row.get(0)?).unwrap_or_default(),
        message: load::message(row, [1, 2, 3, 4])?,
    })
}
