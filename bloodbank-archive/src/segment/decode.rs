//! The bytes of a Parquet file as entries.

use bloodbank_core::{message::Incoming, store::JournalEntry};
use bytes::Bytes;
use chrono::DateTime;
use parquet::{
    column::reader::get_typed_column_reader,
    data_type::{ByteArray, ByteArrayType, DataType, Int64Type},
    file::{
        reader::{FileReader, RowGroupReader},
        serialized_reader::SerializedFileReader,
    },
};

use super::{
    Segment,
    checksum::{Checksum, Parts},
    columns::{BODY, CHECKSUM, EXCHANGE, OFFSET, PROPERTIES, PUBLISHED_AT, ROUTING_KEY, SCHEMA},
};

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The entries of a file, which must be those of this segment and as they were written.
pub(crate) fn decode(file: Bytes, segment: &Segment) -> Result<Vec<JournalEntry>, Fault> {
    let reader = SerializedFileReader::new(file)?;
    let metadata = reader.metadata().file_metadata();
    if metadata.schema().get_fields() != SCHEMA.get_fields() {
        return Err("it has other columns than a segment".into());
    }
    let told = metadata.key_value_metadata().into_iter().flatten().find(|told| told.key == CHECKSUM);
    let told = told.and_then(|told| told.value.clone()).ok_or("it has no checksum")?;
    let mut checksum = Checksum::default();
    let mut entries: Vec<JournalEntry> = Vec::new();
    for group in 0..reader.num_row_groups() {
        entries_of(&*reader.get_row_group(group)?, &mut checksum, &mut entries)?;
    }
    if checksum.digits() != told {
        return Err("its checksum is wrong".into());
    }
    let is_sorted = entries.is_sorted_by(|one, next| one.offset < next.offset);
    let fits = |entry: &JournalEntry| (segment.first..=segment.last).contains(&entry.offset);
    match entries.last() {
        Some(last) if last.offset == segment.last && is_sorted && entries.iter().all(fits) => Ok(entries),
        _ => Err("its name says other offsets than it has".into()),
    }
}

fn entries_of(
    group: &dyn RowGroupReader,
    checksum: &mut Checksum,
    entries: &mut Vec<JournalEntry>,
) -> Result<(), Fault> {
    let offsets = column::<Int64Type>(group, OFFSET)?;
    let times = column::<Int64Type>(group, PUBLISHED_AT)?;
    let [exchanges, keys, properties, bodies] =
        [EXCHANGE, ROUTING_KEY, PROPERTIES, BODY].map(|place| column::<ByteArrayType>(group, place));
    let (exchanges, keys, properties, bodies) = (exchanges?, keys?, properties?, bodies?);
    for row in 0..offsets.len() {
        let text = |column: &[ByteArray]| Ok::<_, Fault>(std::str::from_utf8(column[row].data())?.into());
        checksum.add(&Parts {
            offset: offsets[row],
            published_at: times[row],
            exchange: exchanges[row].data(),
            routing_key: keys[row].data(),
            properties: properties[row].data(),
            body: bodies[row].data(),
        });
        let message = Incoming {
            exchange: text(&exchanges)?,
            routing_key: text(&keys)?,
            properties: serde_json::from_slice(properties[row].data())?,
            // Of its own, so that it does not keep the page that it came in.
            body: Bytes::copy_from_slice(bodies[row].data()),
        };
        let published_at = DateTime::from_timestamp_micros(times[row]).ok_or("it has a time that is none")?;
        entries.push(JournalEntry::new(offsets[row].cast_unsigned(), published_at, message));
    }
    Ok(())
}

/// The values of a column that each row has.
fn column<T: DataType>(group: &dyn RowGroupReader, place: usize) -> Result<Vec<T::T>, Fault> {
    let rows = usize::try_from(group.metadata().num_rows())?;
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(place)?);
    let mut values = Vec::new();
    let (read, ..) = reader.read_records(rows, None, None, &mut values)?;
    match read == rows && values.len() == rows {
        true => Ok(values),
        false => Err("it has fewer values than rows".into()),
    }
}
