//! Pruning of the journal: the oldest messages go, except those that still wait in a queue.

use rusqlite::OptionalExtension;

use crate::entry::MessageId;
use crate::sqlite::tables::{Tables, millis, now};

/// The most messages that are looked at at once, so that nobody waits for long; more than come between two prunings.
const PRUNE_BATCH: u64 = 10_000;

impl Tables {
    /// Deletes what is over the bounds of the history, some of it where that is much; each message is looked at once. Before
    /// anything is gone, it is announced up to where.
    pub(super) fn prune(&mut self, announce: impl FnOnce(MessageId)) -> rusqlite::Result<()> {
        let last = self.newest.min(self.pruned + PRUNE_BATCH);
        let end = self.newest.saturating_sub(self.retention.count).max(self.too_old(last)?).min(last);
        if end <= self.pruned {
            return Ok(());
        }
        announce(end);
        self.transaction(|tables| {
            let connection = &tables.connection;
            connection
                .prepare_cached(
                    "DELETE FROM messages WHERE id BETWEEN ?1 AND ?2
                    AND id NOT IN (SELECT message FROM entries WHERE message BETWEEN ?1 AND ?2)",
                )?
                .execute([(tables.pruned + 1).cast_signed(), end.cast_signed()])?;
            connection
                .prepare_cached("INSERT OR REPLACE INTO meta VALUES ('pruned', ?1)")?
                .execute([end.to_string()])?;
            Ok(())
        })?;
        self.pruned = end;
        Ok(())
    }

    /// Goes on where the file was pruned up to.
    pub(super) fn load_pruned(&mut self) -> rusqlite::Result<()> {
        let text = "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'pruned'";
        let pruned: Option<i64> = self.connection.query_row(text, (), |row| row.get(0)).optional()?;
        // Numbers are given again where a file has lost its newest messages.
        self.pruned = pruned.unwrap_or(0).cast_unsigned().min(self.newest);
        Ok(())
    }

    /// Deletes a message that was pruned but for an entry that referred to it, if that was the last one.
    pub(super) fn delete_orphan(&self, id: MessageId) -> rusqlite::Result<()> {
        if id <= self.pruned {
            self.connection
                .prepare_cached(
                    "DELETE FROM messages WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM entries WHERE message = ?1)",
                )?
                .execute([id.cast_signed()])?;
        }
        Ok(())
    }

    /// The newest message that is too old, up to this one.
    fn too_old(&self, last: MessageId) -> rusqlite::Result<MessageId> {
        let young: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT id FROM messages WHERE id BETWEEN ?1 AND ?2 AND published_at >= ?3 ORDER BY id LIMIT 1",
            )?
            .query_row(
                [(self.pruned + 1).cast_signed(), last.cast_signed(), now() - millis(self.retention.age)],
                |row| row.get(0),
            )
            .optional()?;
        Ok(match young {
            Some(id) => id.cast_unsigned() - 1,
            None => last,
        })
    }
}
