//! Pruning of the journal: the oldest messages go, except those that still wait in a queue.

use rusqlite::OptionalExtension;

use crate::queue::MessageId;
use crate::sqlite::tables::{Tables, millis, now};

impl Tables {
    /// Deletes what is over the bounds of the history; each message is looked at once. Before anything is gone, it is announced
    /// up to where.
    pub(super) fn prune(&mut self, announce: impl FnOnce(MessageId)) -> rusqlite::Result<()> {
        let end = self.newest.saturating_sub(self.retention.count).max(self.too_old()?);
        if end <= self.pruned {
            return Ok(());
        }
        announce(end);
        self.transaction(|tables| {
            let mut from = tables.pruned + 1;
            for id in tables.references.range(from..=end).map(|(id, _)| *id) {
                tables.delete(from, id - 1)?;
                from = id + 1;
            }
            tables.delete(from, end)
        })?;
        self.pruned = end;
        Ok(())
    }

    fn delete(&self, from: MessageId, to: MessageId) -> rusqlite::Result<()> {
        if from <= to {
            self.connection
                .prepare_cached("DELETE FROM messages WHERE id BETWEEN ?1 AND ?2")?
                .execute([from.cast_signed(), to.cast_signed()])?;
        }
        Ok(())
    }

    /// The newest message that is too old.
    fn too_old(&self) -> rusqlite::Result<MessageId> {
        let young: Option<i64> = self
            .connection
            .prepare_cached("SELECT id FROM messages WHERE id > ?1 AND published_at >= ?2 ORDER BY id LIMIT 1")?
            .query_row([self.pruned.cast_signed(), now() - millis(self.retention.age)], |row| row.get(0))
            .optional()?;
        Ok(match young {
            Some(id) => id.cast_unsigned() - 1,
            None => self.newest,
        })
    }
}
