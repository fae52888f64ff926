//! The columns of a segment. `properties` and `body` are the message as it was published, with `offset`, `published_at`,
//! `exchange` and `routing_key`; the others say the same to whoever asks with SQL.

use std::sync::{Arc, LazyLock};

use parquet::{
    basic::Compression,
    file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr},
    schema::{
        parser::parse_message_type,
        types::{ColumnPath, TypePtr},
    },
};

pub(super) const OFFSET: usize = 0;
pub(super) const PUBLISHED_AT: usize = 3;
pub(super) const EXCHANGE: usize = 4;
pub(super) const ROUTING_KEY: usize = 5;
pub(super) const PROPERTIES: usize = 12;
pub(super) const BODY: usize = 13;

pub(super) static SCHEMA: LazyLock<TypePtr> = LazyLock::new(|| {
    let columns = "message bloodbank_journal {
        required int64 offset;
        optional binary event_id (STRING);
        required binary event_type (STRING);
        required int64 published_at (TIMESTAMP(MICROS,true));
        required binary exchange (STRING);
        required binary routing_key (STRING);
        optional binary source (STRING);
        optional binary correlation_id (STRING);
        required group causes (LIST) { repeated group list { required binary element (STRING); } }
        optional binary content_type (STRING);
        required binary headers (STRING);
        optional binary payload (STRING);
        required binary properties (STRING);
        required binary body;
    }";
    Arc::new(parse_message_type(columns).expect("the text above is a schema"))
});

/// Columns of which no two values are the same, so that neither a dictionary nor a smallest and a largest one help.
const UNIQUE: [&str; 3] = ["payload", "properties", "body"];

pub(super) static WRITER: LazyLock<WriterPropertiesPtr> = LazyLock::new(|| {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by("bloodbank-archive".to_owned())
        .set_column_dictionary_enabled(ColumnPath::from("event_id"), false);
    for name in UNIQUE {
        let path = ColumnPath::from(name);
        properties = properties
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_statistics_enabled(path, EnabledStatistics::None);
    }
    Arc::new(properties.build())
});

/// The names of what a file says of itself.
pub(super) const CHECKSUM: &str = "bloodbank.crc32";
pub(super) const SOURCE: &str = "bloodbank.source";
