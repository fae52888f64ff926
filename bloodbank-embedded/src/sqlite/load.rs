//! From the file into the engine.

use std::{collections::HashMap, path::Path, sync::Arc};

use bytes::Bytes;
use rusqlite::{Row, types::Type};
use serde::de::DeserializeOwned;

use crate::sqlite::{failure, tables::Tables};
use crate::{
    engine::State,
    queue::{Entry, MessageId, QueueId},
};
use bloodbank_core::{
    Result,
    message::{Incoming, Properties},
    transport::topology::{Exchange, Queue},
};

/// Fills an engine with what the file has, and counts what was in somebody's hands as returned.
pub(super) fn load(path: &Path, state: &mut State, mut tables: Tables) -> Result<Tables> {
    let loaded = tables
        .connection
        .execute("UPDATE entries SET returned = returned + 1, taken = 0 WHERE taken", ())
        .and_then(|_| topology(state, &mut tables))
        .and_then(|()| entries(state, &mut tables))
        .and_then(|()| {
            let newest: i64 =
                tables.connection.query_row("SELECT coalesce(max(id), 0) FROM messages", (), |row| row.get(0))?;
            tables.newest = newest.cast_unsigned();
            state.last_message = tables.newest;
            // On a full disk the history waits.
            drop(tables.prune(|_| {}).and_then(|()| tables.prune_links()));
            Ok(())
        });
    match loaded {
        Ok(()) => Ok(tables),
        Err(error) => Err(failure(path, "cannot be read", &error)),
    }
}

fn topology(state: &mut State, tables: &mut Tables) -> rusqlite::Result<()> {
    let connection = &tables.connection;
    let mut exchanges = connection.prepare("SELECT name, kind FROM exchanges")?;
    let mut rows = exchanges.query(())?;
    while let Some(row) = rows.next()? {
        state.add_exchange(&Exchange { name: text(row, 0)?, kind: json(row, 1)? });
    }
    let mut queues = connection.prepare("SELECT id, spec FROM queues ORDER BY id")?;
    let mut rows = queues.query(())?;
    while let Some(row) = rows.next()? {
        let (id, spec): (QueueId, Queue) = (number(row, 0)?, json(row, 1)?);
        state.add_queue(id, spec);
        tables.queues.insert(id);
    }
    let mut bindings = connection.prepare("SELECT exchange, pattern, queue FROM bindings ORDER BY exchange, queue")?;
    let mut rows = bindings.query(())?;
    while let Some(row) = rows.next()? {
        let bound = state.bind(&text(row, 0)?, &text(row, 1)?, number(row, 2)?);
        bound.map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error.into()))?;
    }
    Ok(())
}

fn entries(state: &mut State, tables: &mut Tables) -> rusqlite::Result<()> {
    let mut references = std::mem::take(&mut tables.references);
    let mut shared: HashMap<MessageId, Arc<Incoming>> = HashMap::new();
    let mut entries = tables.connection.prepare(
        "SELECT e.queue, e.seq, e.message, e.returned, e.expires_at,
            coalesce(e.exchange, m.exchange), coalesce(e.key, m.key), coalesce(e.properties, m.properties), m.body,
            e.exchange IS NOT NULL
        FROM entries e JOIN messages m ON m.id = e.message
        ORDER BY e.queue, e.seq",
    )?;
    let mut rows = entries.query(())?;
    while let Some(row) = rows.next()? {
        let id: MessageId = number(row, 2)?;
        let changed: bool = row.get(9)?;
        let known = shared.get(&id).filter(|_| !changed);
        let message = match known {
            Some(message) => Arc::clone(message),
            None => Arc::new(message(row, [5, 6, 7, 8])?),
        };
        if !changed {
            shared.insert(id, Arc::clone(&message));
        }
        let expires_at: Option<i64> = row.get(4)?;
        let entry = Entry {
            seq: number(row, 1)?,
            id,
            message,
            returned: row.get(3)?,
            expires_at: expires_at.map(|at| tables.on_clock(at)),
            restored: true,
        };
        let queue = number(row, 0)?;
        if let Some(queue) = state.queue(queue) {
            // Nobody waits yet.
            drop(queue.put_back(entry));
            *references.entry(id).or_default() += 1;
        }
    }
    drop(rows);
    drop(entries);
    tables.references = references;
    Ok(())
}

/// A message, from the columns of its exchange, key, properties and body.
pub(super) fn message(row: &Row<'_>, [exchange, key, properties, body]: [usize; 4]) -> rusqlite::Result<Incoming> {
    let properties: Properties = json(row, properties)?;
    Ok(Incoming {
        exchange: text(row, exchange)?,
        routing_key: text(row, key)?,
        properties,
        body: Bytes::from(row.get::<_, Vec<u8>>(body)?),
    })
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Arc<str>> {
    Ok(row.get_ref(column)?.as_str()?.into())
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

fn number<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let number: i64 = row.get(column)?;
    T::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}
