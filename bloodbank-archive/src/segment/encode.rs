//! Entries as the bytes of a Parquet file. The same entries make the same bytes.

use bloodbank_core::{envelope::RawEnvelope, message::Properties, store::JournalEntry};
use parquet::{
    data_type::{ByteArray, ByteArrayType, DataType, Int64Type},
    errors::Result,
    file::{
        metadata::KeyValue,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
};
use serde_json::{Map, Value};

use super::{
    checksum::{Checksum, Parts},
    columns::{CHECKSUM, SCHEMA, SOURCE, WRITER},
};

/// The most entries of a row group, and the bytes of bodies after which another one begins: what a reader decodes at once.
const ROWS: usize = 10_000;
const ROW_GROUP_BYTES: usize = 8_000_000;

/// The media type of a message that says none.
const JSON: &str = "application/json";

/// The file of entries of this journal.
pub(crate) fn encode(entries: &[JournalEntry], source: &str) -> Result<Vec<u8>> {
    let mut writer = SerializedFileWriter::new(Vec::new(), SCHEMA.clone(), WRITER.clone())?;
    let mut checksum = Checksum::default();
    let mut rest = entries;
    while !rest.is_empty() {
        let (group, after) = rest.split_at(fitting(rest));
        let columns = Columns::of(group, &mut checksum);
        let mut row_group = writer.next_row_group()?;
        columns.write(&mut row_group)?;
        row_group.close()?;
        rest = after;
    }
    for (name, value) in [(CHECKSUM, checksum.digits()), (SOURCE, source.to_owned())] {
        writer.append_key_value_metadata(KeyValue::new(name.to_owned(), value));
    }
    writer.into_inner()
}

/// How many of these entries one row group has.
fn fitting(entries: &[JournalEntry]) -> usize {
    let mut bytes = 0;
    let fitting = entries.iter().take(ROWS).take_while(|entry| {
        bytes += entry.message.body.len();
        bytes <= ROW_GROUP_BYTES
    });
    fitting.count().max(1)
}

/// Values of a column of which some are missing: a level says for each row whether it has one.
#[derive(Default)]
struct Optional {
    values: Vec<ByteArray>,
    levels: Vec<i16>,
}

impl Optional {
    fn push(&mut self, value: Option<String>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value.map(|value| ByteArray::from(value.into_bytes())));
    }
}

/// Lists: a level says for each element whether it goes on with the list before it.
#[derive(Default)]
struct Lists {
    values: Vec<ByteArray>,
    present: Vec<i16>,
    repeated: Vec<i16>,
}

impl Lists {
    fn push(&mut self, list: impl ExactSizeIterator<Item = String>) {
        if list.len() == 0 {
            self.present.push(0);
            self.repeated.push(0);
        }
        for (place, element) in list.enumerate() {
            self.values.push(ByteArray::from(element.into_bytes()));
            self.present.push(1);
            self.repeated.push(i16::from(place > 0));
        }
    }
}

/// The values of a row group, column by column.
#[derive(Default)]
struct Columns {
    offset: Vec<i64>,
    event_id: Optional,
    event_type: Vec<ByteArray>,
    published_at: Vec<i64>,
    exchange: Vec<ByteArray>,
    routing_key: Vec<ByteArray>,
    source: Optional,
    correlation_id: Optional,
    causes: Lists,
    content_type: Optional,
    headers: Vec<ByteArray>,
    payload: Optional,
    properties: Vec<ByteArray>,
    body: Vec<ByteArray>,
}

impl Columns {
    fn of(entries: &[JournalEntry], checksum: &mut Checksum) -> Self {
        let mut columns = Self::default();
        for entry in entries {
            columns.push(entry, checksum);
        }
        columns
    }

    fn push(&mut self, entry: &JournalEntry, checksum: &mut Checksum) {
        let message = &entry.message;
        let properties = &message.properties;
        let envelope = RawEnvelope::read(&message.body).ok();
        let envelope = envelope.as_ref();
        // Plain data, which always has a form in JSON.
        let written = serde_json::to_vec(properties).unwrap_or_default();
        let (offset, published_at) = (entry.offset.cast_signed(), entry.published_at.timestamp_micros());
        checksum.add(&Parts {
            offset,
            published_at,
            exchange: message.exchange.as_bytes(),
            routing_key: message.routing_key.as_bytes(),
            properties: &written,
            body: &message.body,
        });
        let event_id = properties.message_id.or_else(|| Some(envelope?.event_id));
        let source = envelope.and_then(|envelope| envelope.source.app.as_deref()).or(properties.app_id.as_deref());
        self.offset.push(offset);
        self.event_id.push(event_id.map(|id| id.to_string()));
        self.event_type.push(ByteArray::from(entry.event_type()));
        self.published_at.push(published_at);
        self.exchange.push(ByteArray::from(&*message.exchange));
        self.routing_key.push(ByteArray::from(&*message.routing_key));
        self.source.push(source.map(str::to_owned));
        self.correlation_id.push(properties.correlation_id.map(|id| id.to_string()));
        match envelope {
            Some(envelope) => self.causes.push(envelope.correlation_ids.iter().map(ToString::to_string)),
            None => self.causes.push(std::iter::empty::<String>()),
        }
        self.content_type.push(content_type(properties));
        self.headers.push(ByteArray::from(headers(properties).into_bytes()));
        self.payload.push(envelope.map(|envelope| envelope.payload.get().to_owned()));
        self.properties.push(ByteArray::from(written));
        self.body.push(ByteArray::from(message.body.clone()));
    }

    /// Writes the columns in the order of the schema.
    fn write(&self, group: &mut SerializedRowGroupWriter<'_, Vec<u8>>) -> Result<()> {
        column::<Int64Type>(group, &self.offset, None, None)?;
        optional(group, &self.event_id)?;
        column::<ByteArrayType>(group, &self.event_type, None, None)?;
        column::<Int64Type>(group, &self.published_at, None, None)?;
        column::<ByteArrayType>(group, &self.exchange, None, None)?;
        column::<ByteArrayType>(group, &self.routing_key, None, None)?;
        optional(group, &self.source)?;
        optional(group, &self.correlation_id)?;
        let Lists { values, present, repeated } = &self.causes;
        column::<ByteArrayType>(group, values, Some(present), Some(repeated))?;
        optional(group, &self.content_type)?;
        column::<ByteArrayType>(group, &self.headers, None, None)?;
        optional(group, &self.payload)?;
        column::<ByteArrayType>(group, &self.properties, None, None)?;
        column::<ByteArrayType>(group, &self.body, None, None)
    }
}

fn optional(group: &mut SerializedRowGroupWriter<'_, Vec<u8>>, column: &Optional) -> Result<()> {
    self::column::<ByteArrayType>(group, &column.values, Some(&column.levels), None)
}

/// Writes the next column of a row group.
fn column<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
    values: &[T::T],
    present: Option<&[i16]>,
    repeated: Option<&[i16]>,
) -> Result<()> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, present, repeated)?;
        column.close()?;
    }
    Ok(())
}

fn content_type(properties: &Properties) -> Option<String> {
    match &properties.foreign {
        Some(foreign) => foreign.content_type.as_deref().map(str::to_owned),
        None => Some(JSON.to_owned()),
    }
}

/// The headers as an object of JSON; of two with the same name the last one.
fn headers(properties: &Properties) -> String {
    let value = |value| serde_json::to_value(value).unwrap_or_default();
    let headers: Map<String, Value> =
        properties.headers.iter().map(|(name, header)| (name.to_owned(), value(header))).collect();
    Value::Object(headers).to_string()
}
