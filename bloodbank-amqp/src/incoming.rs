//! Decoding of messages from the broker, whoever published them.

use std::{borrow::Cow, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use uuid::Uuid;

use crate::{
    cached_text::CachedText,
    outgoing::{CONTENT_ENCODING, CONTENT_TYPE},
};
use bloodbank_core::message::{ForeignProperties, HeaderValue, Headers, Incoming, Properties};

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

    /// The properties. Whether a foreign message is an event, its body says.
    fn properties(&mut self, from: &BasicProperties) -> Properties {
        let shared =
            |cache: &mut CachedText, text: &Option<ShortString>| text.as_ref().map(|text| cache.get(text.as_str()));
        let (message_id, correlation_id) = (uuid(from.message_id()), uuid(from.correlation_id()));
        let is_event = message_id.is_some() == from.message_id().is_some()
            && correlation_id.is_some() == from.correlation_id().is_some()
            && from.content_type().as_ref().is_some_and(|content_type| content_type.as_str() == CONTENT_TYPE)
            && from.content_encoding().as_ref().is_some_and(|encoding| encoding.as_str() == CONTENT_ENCODING);
        let mut properties = Properties::default();
        properties.message_id = message_id;
        properties.correlation_id = correlation_id;
        properties.event_type = shared(&mut self.event_type, from.kind());
        properties.timestamp = from.timestamp().and_then(time);
        properties.app_id = shared(&mut self.app_id, from.app_id());
        properties.reply_to = shared(&mut self.reply_to, from.reply_to());
        properties.expiration =
            from.expiration().as_ref().and_then(|text| text.as_str().parse().ok()).map(Duration::from_millis);
        properties.priority = *from.priority();
        properties.foreign = (!is_event).then(|| Box::new(foreign(from)));
        properties.headers = from.headers().as_ref().map_or_else(Headers::default, headers);
        properties
    }
}

fn uuid(id: &Option<ShortString>) -> Option<Uuid> {
    Uuid::try_parse(id.as_ref()?.as_str()).ok()
}

/// The properties that make a message a foreign one.
fn foreign(from: &BasicProperties) -> ForeignProperties {
    let text = |text: &Option<ShortString>| text.as_ref().map(|text| Arc::<str>::from(text.as_str()));
    let unless_uuid = |id: &Option<ShortString>| if uuid(id).is_some() { None } else { text(id) };
    ForeignProperties::default()
        .message_id(unless_uuid(from.message_id()))
        .correlation_id(unless_uuid(from.correlation_id()))
        .content_type(text(from.content_type()))
        .content_encoding(text(from.content_encoding()))
}

fn time(seconds: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, 0)
}

fn headers(table: &FieldTable) -> Headers {
    table.inner().iter().map(|(name, value)| (Cow::Owned(name.as_str().to_owned()), header(value))).collect()
}

/// The value of a header. Bytes that are text are text: the protocol does not tell them apart.
fn header(value: &AMQPValue) -> HeaderValue {
    let bytes = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => HeaderValue::from(text),
        Err(_) => HeaderValue::Bytes(Bytes::copy_from_slice(bytes)),
    };
    match value {
        AMQPValue::Boolean(boolean) => HeaderValue::Boolean(*boolean),
        AMQPValue::ShortShortInt(value) => HeaderValue::Integer((*value).into()),
        AMQPValue::ShortShortUInt(value) => HeaderValue::Integer((*value).into()),
        AMQPValue::ShortInt(value) => HeaderValue::Integer((*value).into()),
        AMQPValue::ShortUInt(value) => HeaderValue::Integer((*value).into()),
        AMQPValue::LongInt(value) => HeaderValue::Integer((*value).into()),
        AMQPValue::LongUInt(value) => HeaderValue::Integer((*value).into()),
        AMQPValue::LongLongInt(value) => HeaderValue::Integer(*value),
        // A time beyond what the calendar has stays readable as what it was made of.
        AMQPValue::Timestamp(value) => match time(*value) {
            Some(time) => HeaderValue::Timestamp(time),
            None => HeaderValue::Text(value.to_string().into()),
        },
        AMQPValue::Float(value) => HeaderValue::Float((*value).into()),
        AMQPValue::Double(value) => HeaderValue::Float(*value),
        AMQPValue::DecimalValue(value) => HeaderValue::Decimal { scale: value.scale, value: value.value },
        AMQPValue::ShortString(value) => value.as_str().into(),
        AMQPValue::LongString(value) => bytes(value.as_bytes()),
        AMQPValue::ByteArray(value) => HeaderValue::Bytes(Bytes::copy_from_slice(value.as_slice())),
        AMQPValue::FieldArray(values) => HeaderValue::List(values.as_slice().iter().map(header).collect()),
        AMQPValue::FieldTable(table) => HeaderValue::Table(headers(table)),
        AMQPValue::Void => HeaderValue::Void,
    }
}

#[cfg(test)]
mod tests {
    use lapin::types::{DecimalValue, FieldArray};

    use super::*;
    use crate::outgoing;

    #[test]
    fn foreign_headers_of_every_type_come_and_go_as_they_are() {
        let mut inner = FieldTable::default();
        inner.insert("deep".into(), AMQPValue::Double(0.1));
        let values = [
            ("boolean", AMQPValue::Boolean(true)),
            ("number", AMQPValue::LongLongInt(-3)),
            ("text", AMQPValue::LongString("hello".into())),
            ("bytes", AMQPValue::ByteArray(vec![b'h', b'i'].into())),
            ("double", AMQPValue::Double(1.5)),
            ("decimal", AMQPValue::DecimalValue(DecimalValue { scale: 2, value: 5 })),
            ("time", AMQPValue::Timestamp(1_700_000_000)),
            ("list", AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::Void, AMQPValue::Boolean(false)]))),
            ("table", AMQPValue::FieldTable(inner)),
            ("nothing", AMQPValue::Void),
        ];
        let mut table = FieldTable::default();
        for (name, value) in values {
            table.insert(name.into(), value);
        }
        assert_eq!(outgoing::headers(&headers(&table)).unwrap(), table);
    }

    #[test]
    fn what_has_another_width_or_no_meaning_here_keeps_its_value() {
        assert_eq!(header(&AMQPValue::ShortShortInt(-3)), HeaderValue::Integer(-3));
        assert_eq!(header(&AMQPValue::LongUInt(7)), HeaderValue::Integer(7));
        assert_eq!(header(&AMQPValue::Float(1.5)), HeaderValue::Float(1.5));
        assert_eq!(header(&AMQPValue::Timestamp(u64::MAX)), u64::MAX.to_string().into());
        let binary = AMQPValue::LongString(vec![0xff_u8, 0xfe].into());
        assert_eq!(header(&binary), HeaderValue::Bytes(Bytes::from_static(&[0xff, 0xfe])));
    }

    #[test]
    fn foreign_properties_come_and_go_as_they_are() {
        let foreign = BasicProperties::default()
            .with_message_id("order 17".into())
            .with_correlation_id("".into())
            .with_content_type("text/csv".into())
            .with_priority(7)
            .with_delivery_mode(2);
        let read = MessageDecoder::default().properties(&foreign);
        assert_eq!((read.message_id, read.correlation_id, read.priority), (None, None, Some(7)));
        assert_eq!(outgoing::properties(&read).unwrap(), foreign);
        let unreadable = BasicProperties::default().with_expiration("soon".into()).with_timestamp(u64::MAX);
        let read = MessageDecoder::default().properties(&unreadable);
        assert_eq!((read.expiration, read.timestamp), (None, None));
    }
}
