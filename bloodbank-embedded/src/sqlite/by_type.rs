//! The entries of the journal that have one of some types, found by an index.

use rusqlite::{Connection, OptionalExtension, Statement, params};

use bloodbank_core::{routing::BindingPattern, store::JournalQuery};

/// The most types that are looked at one by one. Keys with ids in them are many more: then every entry is looked at.
const MOST_TYPES: usize = 500;

/// The types of the journal that a query selects; `None`: all, or too many to look at each.
pub(super) fn selected(connection: &Connection, query: &JournalQuery) -> rusqlite::Result<Option<Vec<String>>> {
    let mut types = query.types.clone();
    if types.is_empty() {
        let Some(pattern) = &query.pattern else { return Ok(None) };
        let Some(known) = matching(connection, pattern)? else { return Ok(None) };
        types = known;
    } else if let Some(pattern) = &query.pattern {
        types.retain(|event_type| pattern.matches(event_type));
    }
    types.sort_unstable();
    types.dedup();
    Ok(Some(types).filter(|types| types.len() <= MOST_TYPES))
}

/// The types of the journal that match a pattern; `None`: too many are like it. The index is entered once for each type.
fn matching(connection: &Connection, pattern: &BindingPattern) -> rusqlite::Result<Option<Vec<String>>> {
    let is_literal = |word: &&str| !matches!(*word, "*" | "#");
    let beginning = pattern.as_str().split('.').take_while(is_literal).collect::<Vec<_>>().join(".");
    let mut first = connection.prepare_cached(
        "SELECT coalesce(type, key) FROM messages WHERE coalesce(type, key) >= ?1 ORDER BY coalesce(type, key) LIMIT 1",
    )?;
    let mut after = connection.prepare_cached(
        "SELECT coalesce(type, key) FROM messages WHERE coalesce(type, key) > ?1 ORDER BY coalesce(type, key) LIMIT 1",
    )?;
    let look = |statement: &mut Statement<'_>, from: &str| -> rusqlite::Result<Option<String>> {
        statement.query_row([from], |row| row.get(0)).optional()
    };
    let mut types = Vec::new();
    let mut next = look(&mut first, &beginning)?;
    for _ in 0..MOST_TYPES {
        let Some(event_type) = next.filter(|event_type| event_type.starts_with(&beginning)) else {
            return Ok(Some(types));
        };
        next = look(&mut after, &event_type)?;
        if pattern.matches(&event_type) {
            types.push(event_type);
        }
    }
    Ok(None)
}

/// The end of a range of ids at which to begin.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Oldest,
    Newest,
}

/// The first ids in a range that have one of these types, at most so many, in order from one end.
pub(super) fn ids(
    connection: &Connection,
    types: &[String],
    (first, last): (i64, i64),
    from: From,
    most: usize,
) -> rusqlite::Result<Vec<i64>> {
    let order = if from == From::Oldest { "ASC" } else { "DESC" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id FROM messages WHERE coalesce(type, key) = ?1 AND id BETWEEN ?2 AND ?3 ORDER BY id {order} LIMIT ?4"
    ))?;
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let mut ids = Vec::new();
    for event_type in types {
        let found = statement.query_map(params![event_type, first, last, limit], |row| row.get(0))?;
        ids.extend(found.collect::<rusqlite::Result<Vec<i64>>>()?);
    }
    ids.sort_unstable();
    if from == From::Newest {
        ids.reverse();
    }
    ids.truncate(most);
    Ok(ids)
}
