//! Correlation, in the file of the bus: a log that is written in the transactions of the publishes, and an index of it.
//!
//! Ids are random, so that every entry of an index is on a page of its own: written with the publishes, it would cost
//! more than they do. The index follows when nothing is published, or when somebody asks.

use chrono::DateTime;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::changes::LinkChange;
use crate::sqlite::tables::{Tables, json, millis, now};
use bloodbank_core::store::{BatchRead, LinkEntry, MalformedEntry};

/// The most links that are kept, the newest ones; some 300 MB.
const MAX_LINKS: i64 = 1_000_000;
/// The most links that are pruned at once, so that nobody waits for long; more than come between two prunings.
const PRUNE_BATCH: usize = 2_000;

/// The most links that are indexed at once, so that nobody waits for long.
const INDEX_BATCH: usize = 1_000;

// `links` is a log: of several links of an event the last one counts, and no number is used again. A child knows when its last link expires.
pub(super) const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS links (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        event BLOB NOT NULL,
        parents BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        metadata TEXT NOT NULL
    );
    CREATE TABLE IF NOT EXISTS link_numbers (
        event BLOB NOT NULL, number INTEGER NOT NULL,
        PRIMARY KEY (event, number)
    ) WITHOUT ROWID;
    INSERT OR IGNORE INTO meta VALUES ('links_indexed', '0');
    CREATE TABLE IF NOT EXISTS children (
        parent BLOB NOT NULL, child BLOB NOT NULL, expires_at INTEGER NOT NULL,
        PRIMARY KEY (parent, child)
    ) WITHOUT ROWID;
";

impl Tables {
    pub(super) fn link(&self, LinkChange { link, lifetime, .. }: &LinkChange, now: i64) -> rusqlite::Result<()> {
        let entry = link.entry();
        self.connection
            .prepare_cached(
                "INSERT INTO links (event, parents, created_at, expires_at, metadata) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                link.child.as_bytes(),
                entry.parents.iter().flat_map(Uuid::as_bytes).copied().collect::<Vec<u8>>(),
                link.created_at.timestamp_micros(),
                now.saturating_add(millis(*lifetime)),
                json(&entry.metadata)?,
            ])?;
        Ok(())
    }

    /// Indexes some of the links that are new. Whether there may be more.
    pub(super) fn index_links(&self) -> rusqlite::Result<bool> {
        self.transaction(|tables| {
            let connection = &tables.connection;
            let mut links = connection.prepare_cached(
                "SELECT number, event, parents, expires_at FROM links
                WHERE number > (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'links_indexed')
                ORDER BY number LIMIT ?1",
            )?;
            let mut number = connection.prepare_cached("INSERT OR IGNORE INTO link_numbers VALUES (?1, ?2)")?;
            // An event that comes again without parents keeps those that are known.
            let mut rootless = connection.prepare_cached(
                "INSERT OR IGNORE INTO link_numbers SELECT ?1, ?2 WHERE NOT EXISTS (
                    SELECT 1 FROM link_numbers AS known JOIN links USING (event, number)
                    WHERE known.event = ?1 AND length(parents) > 0 AND expires_at > ?3)",
            )?;
            let now = now();
            let mut child = connection.prepare_cached("INSERT OR REPLACE INTO children VALUES (?1, ?2, ?3)")?;
            let mut rows = links.query([INDEX_BATCH as i64])?;
            let (mut count, mut last) = (0, 0);
            while let Some(row) = rows.next()? {
                last = row.get::<_, i64>(0)?;
                let event = row.get_ref(1)?.as_blob()?;
                let parents = row.get_ref(2)?.as_blob()?;
                if parents.is_empty() {
                    rootless.execute(params![event, last, now])?;
                } else {
                    number.execute(params![event, last])?;
                }
                for parent in parents.chunks(16) {
                    child.execute(params![parent, event, row.get::<_, i64>(3)?])?;
                }
                count += 1;
            }
            if count > 0 {
                connection
                    .prepare_cached("UPDATE meta SET value = ?1 WHERE key = 'links_indexed'")?
                    .execute([last.to_string()])?;
            }
            Ok(count == INDEX_BATCH)
        })
    }

    /// Forgets the oldest links that have expired or are too many.
    pub(super) fn prune_links(&self) -> rusqlite::Result<()> {
        let newest: i64 =
            self.connection.query_row("SELECT coalesce(max(number), 0) FROM links", (), |row| row.get(0))?;
        let now = now();
        self.transaction(|tables| {
            let connection = &tables.connection;
            let mut oldest = connection.prepare_cached(
                "SELECT number, event, parents, expires_at FROM links WHERE number > ?1 ORDER BY number LIMIT 1",
            )?;
            let mut end = 0;
            for _ in 0..PRUNE_BATCH {
                let next = oldest.query_row([end], |row| {
                    Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, Vec<u8>>(2)?, row.get(3)?))
                });
                let Some((number, event, parents, expires_at)): Option<(i64, _, _, i64)> = next.optional()? else {
                    break;
                };
                if number > newest - MAX_LINKS && expires_at > now {
                    break;
                }
                // A later link of the event to the same parent has its own time.
                for parent in parents.chunks(16) {
                    connection
                        .prepare_cached("DELETE FROM children WHERE parent = ?1 AND child = ?2 AND expires_at <= ?3")?
                        .execute(params![parent, event, expires_at])?;
                }
                connection
                    .prepare_cached("DELETE FROM link_numbers WHERE event = ?1 AND number = ?2")?
                    .execute(params![event, number])?;
                end = number;
            }
            connection.prepare_cached("DELETE FROM links WHERE number <= ?1")?.execute([end])?;
            Ok(())
        })
    }
}

/// The entry of each of these events.
pub(super) fn entries(connection: &Connection, events: &[Uuid]) -> rusqlite::Result<BatchRead<Option<LinkEntry>>> {
    let mut statement = connection.prepare_cached(
        "SELECT parents, created_at, metadata FROM links
        WHERE number = (SELECT max(number) FROM link_numbers WHERE event = ?1) AND expires_at > ?2",
    )?;
    let now = now();
    let mut read = BatchRead::from(Vec::with_capacity(events.len()));
    for &event_id in events {
        let mut rows = statement.query(params![event_id.as_bytes(), now])?;
        let entry = rows.next()?.map(entry).transpose().unwrap_or_else(|error| {
            let (key, problem) = (format!("links/{event_id}"), error.to_string());
            read.malformed.push(MalformedEntry { event_id, key, problem });
            None
        });
        read.values.push(entry);
    }
    Ok(read)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<LinkEntry> {
    let (ids, rest) = row.get_ref(0)?.as_blob()?.as_chunks();
    if !rest.is_empty() {
        return Err(rusqlite::types::FromSqlError::InvalidType.into());
    }
    let metadata = row.get_ref(2)?.as_str()?;
    Ok(LinkEntry {
        parents: ids.iter().copied().map(Uuid::from_bytes).collect(),
        created_at: DateTime::from_timestamp_micros(row.get(1)?),
        metadata: serde_json::from_str(metadata)
            .map_err(|error| rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, error.into()))?,
    })
}

/// The ids of events between two ids, in order, at most so many.
pub(super) fn find(connection: &Connection, first: Uuid, last: Uuid, limit: usize) -> rusqlite::Result<Vec<Uuid>> {
    let mut statement = connection.prepare_cached(
        "SELECT event FROM link_numbers JOIN links USING (event, number)
            WHERE event BETWEEN ?1 AND ?2 AND expires_at > ?3 AND length(event) = 16
        UNION SELECT parent FROM children WHERE parent BETWEEN ?1 AND ?2 AND expires_at > ?3 AND length(parent) = 16
        ORDER BY 1 LIMIT ?4",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = statement.query_map(params![first.as_bytes(), last.as_bytes(), now(), limit], |row| row.get(0))?;
    found.map(|id| id.map(Uuid::from_bytes)).collect()
}

/// A part of the children of some events.
pub(super) struct Page {
    /// Those of each event that was come to, sorted.
    pub(super) children: Vec<Vec<Uuid>>,
    /// The last of these events has more.
    pub(super) is_cut: bool,
}

/// The children of these events, at most so many; of the first event those after this one.
pub(super) fn children(
    connection: &Connection,
    events: &[Uuid],
    mut after: Option<Uuid>,
    most: u32,
) -> rusqlite::Result<Page> {
    let mut statement = connection.prepare_cached(
        "SELECT child FROM children WHERE parent = ?1 AND child > ?2 AND expires_at > ?3 AND length(child) = 16
        ORDER BY child LIMIT ?4",
    )?;
    let now = now();
    let mut left = most;
    let mut page = Page { children: Vec::with_capacity(events.len()), is_cut: false };
    for event in events {
        let after = after.take();
        let after = after.as_ref().map_or(&[][..], |after| after.as_bytes());
        let mut rows = statement.query(params![event.as_bytes(), after, now, left])?;
        let mut children = Vec::new();
        while let Some(row) = rows.next()? {
            children.push(Uuid::from_bytes(row.get(0)?));
            left -= 1;
        }
        page.children.push(children);
        if left == 0 {
            page.is_cut = true;
            break;
        }
    }
    Ok(page)
}
