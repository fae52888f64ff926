//! An entry of the journal as a row, and back.

use std::borrow::Cow;

use bloodbank_core::{
    envelope::RawEnvelope,
    message::{Incoming, Properties},
    store::JournalEntry,
};
use chrono::DateTime;
use sqlx_core::{
    query::{Query, query},
    row::Row as _,
};
use sqlx_postgres::{PgArguments, PgRow, Postgres};
use uuid::Uuid;

use super::day::Day;

/// What a row is read from: see [`read`].
pub(super) const COLUMNS: &str =
    "stream_offset, (extract(epoch from published_at) * 1000)::bigint, exchange, routing_key, properties, body";

/// The earliest time that PostgreSQL knows, about; an event may claim to be older.
const EARLIEST: i64 = -200_000_000_000_000;

/// Entries as the columns of one statement: a parameter is a column, however many entries there are.
#[derive(Default)]
pub(super) struct Rows<'a> {
    /// The latest time of the last entry, whether it is written or was there already.
    last_time: i64,
    /// The greatest offset that the table has with these.
    written_to: i64,
    offsets: Vec<i64>,
    event_ids: Vec<Option<Uuid>>,
    types: Vec<Cow<'a, str>>,
    sources: Vec<Option<String>>,
    app_ids: Vec<Option<Cow<'a, str>>>,
    published: Vec<i64>,
    latest: Vec<i64>,
    exchanges: Vec<Cow<'a, str>>,
    keys: Vec<Cow<'a, str>>,
    properties: Vec<String>,
    bodies: Vec<&'a [u8]>,
    causes: Vec<Uuid>,
    /// The offsets of the events that have these causes.
    caused: Vec<i64>,
}

impl<'a> Rows<'a> {
    /// The rows of entries that follow one whose latest time was this one, in milliseconds. Those are left out whose offset is
    /// not behind this one, or behind that of the row before: the index of a partition cannot tell that another one has it.
    pub(super) fn of(entries: &'a [JournalEntry], latest: i64, written_to: i64) -> Self {
        let mut rows = Self { last_time: latest, written_to, ..Self::default() };
        for entry in entries {
            let published = entry.published_at.timestamp_millis().max(EARLIEST);
            rows.last_time = rows.last_time.max(published);
            let offset = entry.offset.cast_signed();
            if offset <= rows.written_to {
                continue;
            }
            rows.written_to = offset;
            rows.published.push(published);
            rows.latest.push(rows.last_time);
            rows.push(entry);
        }
        rows
    }

    fn push(&mut self, entry: &'a JournalEntry) {
        let message = &entry.message;
        let offset = entry.offset.cast_signed();
        let envelope = RawEnvelope::read(&message.body).ok();
        self.offsets.push(offset);
        self.event_ids.push(message.properties.message_id.or_else(|| Some(envelope.as_ref()?.event_id)));
        self.types.push(text(entry.event_type()));
        self.sources
            .push(envelope.as_ref().and_then(|envelope| Some(text(envelope.source.app.as_deref()?).into_owned())));
        self.app_ids.push(message.properties.app_id.as_deref().map(text));
        self.exchanges.push(text(&message.exchange));
        self.keys.push(text(&message.routing_key));
        // Plain data, which always has a form in JSON.
        self.properties.push(serde_json::to_string(&message.properties).unwrap_or_default());
        self.bodies.push(&message.body);
        for cause in envelope.iter().flat_map(|envelope| envelope.correlation_ids.iter()) {
            self.causes.push(*cause);
            self.caused.push(offset);
        }
    }

    /// The latest time up to the last entry, in milliseconds.
    pub(super) fn latest(&self) -> i64 {
        self.last_time
    }

    pub(super) fn written_to(&self) -> i64 {
        self.written_to
    }

    pub(super) fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    pub(super) fn types(&self) -> impl Iterator<Item = &str> {
        self.types.iter().map(|event_type| &**event_type)
    }

    /// Where a day begins that begins with these.
    pub(super) fn first(&self) -> Option<Begin> {
        Some(Begin { offset: *self.offsets.first()?, latest: *self.latest.first()? })
    }

    pub(super) fn has_causes(&self) -> bool {
        !self.causes.is_empty()
    }

    pub(super) fn insert_causes(&mut self, day: Day) -> Query<'static, Postgres, PgArguments> {
        query(
            "INSERT INTO bloodbank_journal_cause (cause, stream_offset, day) SELECT cause, stream_offset, DATE 'epoch' + $3 \
             FROM unnest($1::uuid[], $2::bigint[]) AS entry (cause, stream_offset) ON CONFLICT DO NOTHING",
        )
        .bind(std::mem::take(&mut self.causes))
        .bind(std::mem::take(&mut self.caused))
        .bind(day.0)
    }

    pub(super) fn insert(self, day: Day) -> Query<'a, Postgres, PgArguments> {
        query(
            "INSERT INTO bloodbank_journal (stream_offset, event_id, event_type, source, app_id, published_at, latest_at, \
             exchange, routing_key, properties, body, day) \
             SELECT stream_offset, event_id, event_type, source, app_id, \
             'epoch'::timestamptz + published * interval '1 millisecond', \
             'epoch'::timestamptz + latest * interval '1 millisecond', exchange, routing_key, properties, body, \
             DATE 'epoch' + $12 \
             FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], \
             $8::text[], $9::text[], $10::text[], $11::bytea[]) AS entry (stream_offset, event_id, event_type, source, \
             app_id, published, latest, exchange, routing_key, properties, body)",
        )
        .bind(self.offsets)
        .bind(self.event_ids)
        .bind(self.types)
        .bind(self.sources)
        .bind(self.app_ids)
        .bind(self.published)
        .bind(self.latest)
        .bind(self.exchanges)
        .bind(self.keys)
        .bind(self.properties)
        .bind(self.bodies)
        .bind(day.0)
    }
}

/// Where a day begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begin {
    offset: i64,
    latest: i64,
}

impl Begin {
    /// Records it, unless that was done.
    pub(super) fn record(self, day: Day) -> Query<'static, Postgres, PgArguments> {
        query(
            "INSERT INTO bloodbank_journal_day (day, first_offset, first_latest_at) \
             VALUES (DATE 'epoch' + $1, $2, 'epoch'::timestamptz + $3 * interval '1 millisecond') ON CONFLICT DO NOTHING",
        )
        .bind(day.0)
        .bind(self.offset)
        .bind(self.latest)
    }
}

/// A text as PostgreSQL can hold it: without NUL.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    match text.contains('\0') {
        true => text.replace('\0', "\u{fffd}").into(),
        false => text.into(),
    }
}

/// The entry of a row of [`COLUMNS`].
pub(super) fn read(row: &PgRow) -> Result<JournalEntry, sqlx_core::Error> {
    let properties: Properties =
        serde_json::from_str(row.try_get(4)?).map_err(|error| sqlx_core::Error::Decode(error.into()))?;
    let message = Incoming {
        exchange: row.try_get::<&str, _>(2)?.into(),
        routing_key: row.try_get::<&str, _>(3)?.into(),
        properties,
        body: row.try_get::<Vec<u8>, _>(5)?.into(),
    };
    let published_at = DateTime::from_timestamp_millis(row.try_get(1)?).unwrap_or_default();
    Ok(JournalEntry::new(row.try_get::<i64, _>(0)?.cast_unsigned(), published_at, message))
}
