//! From the file into the engine.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use rusqlite::{Connection, Row, params, types::Type};
use serde::de::DeserializeOwned;

use crate::sqlite::{failure, tables::Tables};
use crate::{engine::State, entry::QueueId, ready::RANK_SHIFT};
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
        .and_then(|()| depths(state, &tables.connection))
        .and_then(|()| {
            let newest: i64 =
                tables.connection.query_row("SELECT coalesce(max(id), 0) FROM messages", (), |row| row.get(0))?;
            tables.newest = newest.cast_unsigned();
            state.last_message = tables.newest;
            tables.load_pruned()?;
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

/// How many messages wait in each queue, and the first of them.
fn depths(state: &mut State, connection: &Connection) -> rusqlite::Result<()> {
    let mut last = connection.prepare("SELECT max(seq) FROM entries WHERE queue = ?1 AND seq BETWEEN ?2 AND ?3")?;
    let mut depths = connection.prepare("SELECT queue, rank, messages FROM depths WHERE messages > 0")?;
    let mut rows = depths.query(())?;
    while let Some(row) = rows.next()? {
        let (id, rank): (QueueId, usize) = (number(row, 0)?, number(row, 1)?);
        let first = (rank as u64) << RANK_SHIFT;
        let places = params![id.cast_signed(), first.cast_signed(), (first | ((1 << RANK_SHIFT) - 1)).cast_signed()];
        let last: Option<i64> = last.query_row(places, |row| row.get(0))?;
        if let (Some(queue), Some(last)) = (state.queue(id), last) {
            queue.restore(rank, number(row, 2)?, last.cast_unsigned());
        }
    }
    for queue in state.queues.iter_mut().flatten() {
        // Nobody waits yet.
        drop(queue.fill());
    }
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

pub(super) fn number<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let number: i64 = row.get(column)?;
    T::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}
