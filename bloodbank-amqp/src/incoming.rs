//! Decoding of messages from the broker, whoever published them.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;
use chrono::DateTime;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use uuid::Uuid;

use crate::cached_text::CachedText;
use bloodbank_core::message::{HeaderValue, Headers, Incoming, Properties, Text};

/// Decodes the deliveries of one consumer.
#[derive(Default)]
pub(super) struct MessageDecoder {
    exchange: CachedText,
    routing_key: CachedText,
    event_type: CachedText,
    app_id: CachedText,
    reply_to: CachedText,
}

impl MessageDecoder {
    /// The message of a delivery.
    pub(super) fn decode(
        &mut self,
        exchange: &ShortString,
        routing_key: &ShortString,
        properties: &BasicProperties,
        body: Vec<u8>,
    ) -> Incoming {
        Incoming {
            exchange: self.exchange.get(exchange.as_str()),
            routing_key: self.routing_key.get(routing_key.as_str()),
            properties: self.properties(properties),
            body: Bytes::from(body),
        }
    }

    /// The properties; those that Bloodbank cannot read are left out, and a foreign message is judged by its body.
    fn properties(&mut self, from: &BasicProperties) -> Properties {
        let uuid = |id: &Option<ShortString>| Uuid::try_parse(id.as_ref()?.as_str()).ok();
        let shared =
            |cache: &mut CachedText, text: &Option<ShortString>| text.as_ref().map(|text| cache.get(text.as_str()));
        let mut properties = Properties::default();
        properties.message_id = uuid(from.message_id());
        properties.correlation_id = uuid(from.correlation_id());
        properties.event_type = shared(&mut self.event_type, from.kind());
        properties.timestamp =
            from.timestamp().and_then(|seconds| DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0));
        properties.app_id = shared(&mut self.app_id, from.app_id());
        properties.reply_to = shared(&mut self.reply_to, from.reply_to());
        properties.expiration =
            from.expiration().as_ref().and_then(|text| text.as_str().parse().ok()).map(Duration::from_millis);
        properties.headers = from.headers().as_ref().map_or_else(Headers::default, headers);
        properties
    }
}

fn headers(table: &FieldTable) -> Headers {
    table
        .inner()
        .iter()
        .filter_map(|(name, value)| Some((Cow::Owned(name.as_str().to_owned()), header(value)?)))
        .collect()
}

/// The value of a header: flat values as they are, numbers with a fraction as text. Tables, lists and bytes that are not
/// UTF-8 are left out.
fn header(value: &AMQPValue) -> Option<HeaderValue> {
    let text = |text: String| Some(HeaderValue::Text(Text::Owned(text)));
    let bytes = |bytes: &[u8]| text(std::str::from_utf8(bytes).ok()?.to_owned());
    let integer = |integer: i64| Some(HeaderValue::Integer(integer));
    match value {
        AMQPValue::Boolean(boolean) => Some(HeaderValue::Boolean(*boolean)),
        AMQPValue::ShortShortInt(value) => integer((*value).into()),
        AMQPValue::ShortShortUInt(value) => integer((*value).into()),
        AMQPValue::ShortInt(value) => integer((*value).into()),
        AMQPValue::ShortUInt(value) => integer((*value).into()),
        AMQPValue::LongInt(value) => integer((*value).into()),
        AMQPValue::LongUInt(value) => integer((*value).into()),
        AMQPValue::LongLongInt(value) => integer(*value),
        AMQPValue::Timestamp(value) => integer(i64::try_from(*value).ok()?),
        AMQPValue::Float(value) => text(value.to_string()),
        AMQPValue::Double(value) => text(value.to_string()),
        AMQPValue::DecimalValue(value) => text(decimal(value.scale, value.value)),
        AMQPValue::ShortString(value) => text(value.as_str().to_owned()),
        AMQPValue::LongString(value) => bytes(value.as_bytes()),
        AMQPValue::ByteArray(value) => bytes(value.as_slice()),
        AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_) | AMQPValue::Void => None,
    }
}

fn decimal(scale: u8, value: u32) -> String {
    let digits = format!("{value:0>width$}", width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use lapin::types::{DecimalValue, FieldArray};

    use super::*;

    #[test]
    fn foreign_headers_are_read_as_far_as_they_are_flat() {
        let decimal = DecimalValue { scale: 2, value: 5 };
        let values = [
            ("boolean", AMQPValue::Boolean(true)),
            ("byte", AMQPValue::ShortShortInt(-3)),
            ("unsigned", AMQPValue::LongUInt(7)),
            ("text", AMQPValue::LongString("hello".into())),
            ("bytes", AMQPValue::ByteArray(vec![b'h', b'i'].into())),
            ("binary", AMQPValue::LongString(vec![0xff_u8, 0xfe].into())),
            ("float", AMQPValue::Double(1.5)),
            ("decimal", AMQPValue::DecimalValue(decimal)),
            ("time", AMQPValue::Timestamp(1_700_000_000)),
            ("far", AMQPValue::Timestamp(u64::MAX)),
            ("list", AMQPValue::FieldArray(FieldArray::default())),
            ("table", AMQPValue::FieldTable(FieldTable::default())),
            ("nothing", AMQPValue::Void),
        ];
        let mut table = FieldTable::default();
        for (name, value) in values {
            table.insert(name.into(), value);
        }
        let headers = headers(&table);
        assert_eq!(headers.get("boolean"), Some(&HeaderValue::Boolean(true)));
        for (name, expected) in [("byte", -3), ("unsigned", 7), ("time", 1_700_000_000)] {
            assert_eq!(headers.integer(name), Some(expected), "{name}");
        }
        for (name, expected) in [("text", "hello"), ("bytes", "hi"), ("float", "1.5"), ("decimal", "0.05")] {
            assert_eq!(headers.text(name), Some(expected), "{name}");
        }
        for name in ["binary", "far", "list", "table", "nothing"] {
            assert_eq!(headers.get(name), None, "{name}");
        }
    }

    #[test]
    fn foreign_properties_are_tolerated() {
        let foreign = BasicProperties::default()
            .with_message_id("not a uuid".into())
            .with_correlation_id("".into())
            .with_expiration("soon".into())
            .with_timestamp(u64::MAX);
        let read = MessageDecoder::default().properties(&foreign);
        assert_eq!(read.message_id, None);
        assert_eq!(read.correlation_id, None);
        assert_eq!(read.expiration, None);
        assert_eq!(read.timestamp, None);
    }
}
