//! Encoding of messages for lapin.

use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, DecimalValue, FieldTable, ShortString},
};

use bloodbank_core::{
    Error, ErrorKind, Result,
    message::{ForeignProperties, HeaderValue, Headers, Outgoing, Properties},
};

/// The delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;
/// The media type of an event.
pub(super) const CONTENT_TYPE: &str = "application/json";
/// The encoding of an event.
pub(super) const CONTENT_ENCODING: &str = "utf-8";

/// A message in the types that lapin sends.
pub(super) struct EncodedMessage {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
    pub(super) mandatory: bool,
}

impl EncodedMessage {
    /// Encodes a message.
    ///
    /// # Errors
    /// When a text is longer than the protocol allows; nothing is on the wire then.
    pub(super) fn new(message: &Outgoing) -> Result<Self> {
        Ok(Self {
            exchange: short("the name of the exchange", &message.exchange, ErrorKind::InvalidKey)?,
            routing_key: short("the routing key", &message.routing_key, ErrorKind::InvalidKey)?,
            properties: properties(&message.properties)?,
            body: message.body.clone(),
            mandatory: message.mandatory,
        })
    }
}

pub(super) fn properties(properties: &Properties) -> Result<BasicProperties> {
    let header = |what: &str, text: &str| short(what, text, ErrorKind::InvalidHeader);
    let mut out = BasicProperties::default().with_delivery_mode(PERSISTENT);
    match &properties.foreign {
        None => out = out.with_content_type(CONTENT_TYPE.into()).with_content_encoding(CONTENT_ENCODING.into()),
        Some(foreign) => {
            let ForeignProperties { message_id, correlation_id, content_type, content_encoding, .. } = &**foreign;
            if let Some(id) = message_id {
                out = out.with_message_id(header("the property `message_id`", id)?);
            }
            if let Some(id) = correlation_id {
                out = out.with_correlation_id(header("the property `correlation_id`", id)?);
            }
            if let Some(content_type) = content_type {
                out = out.with_content_type(header("the property `content_type`", content_type)?);
            }
            if let Some(encoding) = content_encoding {
                out = out.with_content_encoding(header("the property `content_encoding`", encoding)?);
            }
        }
    }
    let mut buffer = uuid::Uuid::encode_buffer();
    if let Some(id) = properties.message_id {
        out = out.with_message_id((&*id.hyphenated().encode_lower(&mut buffer)).into());
    }
    if let Some(id) = properties.correlation_id {
        out = out.with_correlation_id((&*id.hyphenated().encode_lower(&mut buffer)).into());
    }
    if let Some(event_type) = &properties.event_type {
        out = out.with_type(header("the property `type`", event_type)?);
    }
    if let Some(app_id) = &properties.app_id {
        out = out.with_app_id(header("the property `app_id`", app_id)?);
    }
    if let Some(reply_to) = &properties.reply_to {
        out = out.with_reply_to(header("the property `reply_to`", reply_to)?);
    }
    if let Some(timestamp) = properties.timestamp {
        // Nothing is published before 1970.
        out = out.with_timestamp(u64::try_from(timestamp.timestamp()).unwrap_or(0));
    }
    if let Some(expiration) = properties.expiration {
        // The broker accepts at most 32 bits: 49 days.
        let milliseconds = u32::try_from(expiration.as_millis()).unwrap_or(u32::MAX);
        out = out.with_expiration(header("the property `expiration`", &milliseconds.to_string())?);
    }
    if let Some(priority) = properties.priority {
        out = out.with_priority(priority);
    }
    if !properties.headers.is_empty() {
        out = out.with_headers(headers(&properties.headers)?);
    }
    Ok(out)
}

pub(super) fn headers(headers: &Headers) -> Result<FieldTable> {
    let mut table = FieldTable::default();
    for (name, value) in headers.iter() {
        table.insert(short("the name of a header", name, ErrorKind::InvalidHeader)?, header(value)?);
    }
    Ok(table)
}

fn header(value: &HeaderValue) -> Result<AMQPValue> {
    Ok(match value {
        HeaderValue::Text(text) => AMQPValue::LongString((&**text).into()),
        HeaderValue::Integer(integer) => AMQPValue::LongLongInt(*integer),
        HeaderValue::Boolean(boolean) => AMQPValue::Boolean(*boolean),
        HeaderValue::Float(number) => AMQPValue::Double(*number),
        HeaderValue::Decimal { scale, value } => AMQPValue::DecimalValue(DecimalValue { scale: *scale, value: *value }),
        // Nothing before 1970 has come from the protocol.
        HeaderValue::Timestamp(time) => AMQPValue::Timestamp(u64::try_from(time.timestamp()).unwrap_or(0)),
        HeaderValue::Bytes(bytes) => AMQPValue::ByteArray(bytes.to_vec().into()),
        HeaderValue::List(values) => {
            AMQPValue::FieldArray(values.iter().map(header).collect::<Result<Vec<_>>>()?.into())
        }
        HeaderValue::Table(table) => AMQPValue::FieldTable(headers(table)?),
        HeaderValue::Void => AMQPValue::Void,
    })
}

fn short(what: &str, text: &str, kind: ErrorKind) -> Result<ShortString> {
    ShortString::try_new(text).map_err(|_| {
        Error::new(kind, format!("{what} has {} bytes; at most 255 are possible, so shorten it", text.len()))
    })
}
