//! The tables.

use std::path::Path;

use rusqlite::Connection;

use crate::{
    ready::RANK_SHIFT,
    sqlite::{failure, header},
};
use bloodbank_core::Result;

/// "Blod", where SQLite keeps who a file belongs to.
pub(super) const APPLICATION_ID: u32 = 0x426c_6f64;
/// The version of the tables.
pub(super) const VERSION: u32 = 3;

// `messages` is also the journal of what was published: a message stays after it was settled, until it is pruned.
// An entry that was moved (a dead letter, an end of a delay) keeps its message; what changed on the way stands in the entry.
const TABLES: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE exchanges (name TEXT PRIMARY KEY, kind TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE queues (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, spec TEXT NOT NULL);
    CREATE TABLE bindings (
        exchange TEXT NOT NULL, pattern TEXT NOT NULL, queue INTEGER NOT NULL,
        PRIMARY KEY (exchange, pattern, queue)
    ) WITHOUT ROWID;
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        published_at INTEGER NOT NULL,
        event_id BLOB,
        type TEXT,
        exchange TEXT NOT NULL,
        key TEXT NOT NULL,
        properties TEXT NOT NULL,
        body BLOB NOT NULL
    );
    CREATE INDEX messages_by_event ON messages (event_id) WHERE event_id IS NOT NULL;
    CREATE TABLE entries (
        queue INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        message INTEGER NOT NULL,
        returned INTEGER NOT NULL DEFAULT 0,
        taken INTEGER NOT NULL DEFAULT 0,
        expires_at INTEGER,
        exchange TEXT,
        key TEXT,
        properties TEXT,
        PRIMARY KEY (queue, seq)
    ) WITHOUT ROWID;
";

// Version 2: a queue is not read as a whole any more, neither to count it nor to find what was in somebody's hands or who
// refers to a message.
const PAGED: &str = "
    CREATE TABLE depths (
        queue INTEGER NOT NULL, rank INTEGER NOT NULL, messages INTEGER NOT NULL,
        PRIMARY KEY (queue, rank)
    ) WITHOUT ROWID;
    CREATE INDEX entries_by_message ON entries (message);
    CREATE INDEX entries_taken ON entries (taken) WHERE taken;
";

// Version 3: a history of some types does not look at all others.
const TYPED: &str = "CREATE INDEX messages_by_type ON messages (coalesce(type, key));";

/// Makes the tables in an empty file. Not in WAL mode yet: after this, the file's first page says what it is.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
        {TABLES}
        {PAGED}
        {TYPED}
        INSERT INTO meta VALUES ('schema_version', '{VERSION}');
        PRAGMA application_id = {APPLICATION_ID};
        PRAGMA user_version = {VERSION};
        COMMIT;"
    ))
}

/// Checks that the tables are those of this version, also where the first page is not up to date.
pub(super) fn check(path: &Path, connection: &Connection) -> Result<()> {
    let version = connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|error| failure(path, "cannot be read", &error))?;
    header::check_version(path, version)
}

/// Brings the tables of an earlier version to this one.
pub(super) fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == VERSION {
        return Ok(());
    }
    let transaction = connection.unchecked_transaction()?;
    if version < 2 {
        transaction.execute_batch(PAGED)?;
        rank_entries(&transaction)?;
        transaction.execute_batch(&format!(
            "INSERT INTO depths SELECT queue, seq >> {RANK_SHIFT}, count(*) FROM entries GROUP BY 1, 2;"
        ))?;
    }
    transaction.execute_batch(&format!(
        "{TYPED}
        INSERT OR REPLACE INTO meta VALUES ('schema_version', '{VERSION}');
        PRAGMA user_version = {VERSION};"
    ))?;
    transaction.commit()
}

/// Puts the priority of a message into its place in the queue.
fn rank_entries(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "CREATE TEMP TABLE ranked AS
            SELECT queue, seq, max(0, highest - priority) << {RANK_SHIFT} AS rank FROM (
                SELECT e.queue, e.seq, json_extract(q.spec, '$.max_priority') AS highest,
                    coalesce(json_extract(coalesce(e.properties, m.properties), '$.priority'), 0) AS priority
                FROM queues q JOIN entries e ON e.queue = q.id JOIN messages m ON m.id = e.message
                WHERE json_extract(q.spec, '$.max_priority') IS NOT NULL
            );
        UPDATE entries SET seq = entries.seq + ranked.rank FROM ranked
            WHERE ranked.rank > 0 AND entries.queue = ranked.queue AND entries.seq = ranked.seq;
        DROP TABLE ranked;"
    ))
}

/// Every commit is on the disk before it returns.
pub(super) fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // KiB; the pages of the index by event must stay at hand.
    connection.pragma_update(None, "cache_size", -16_000)?;
    // Pages; each checkpoint costs two more `fsync`s.
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}
