//! Encoding of messages for lapin.

use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};

use bloodbank_core::{
    Error, ErrorKind, Result,
    message::{HeaderValue, Headers, Outgoing, Properties},
};

/// The delivery mode of messages that survive a restart of the broker.
const PERSISTENT: u8 = 2;

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

fn properties(properties: &Properties) -> Result<BasicProperties> {
    let mut out = BasicProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_delivery_mode(PERSISTENT);
    let mut buffer = uuid::Uuid::encode_buffer();
    if let Some(id) = properties.message_id {
        out = out.with_message_id((&*id.hyphenated().encode_lower(&mut buffer)).into());
    }
    if let Some(id) = properties.correlation_id {
        out = out.with_correlation_id((&*id.hyphenated().encode_lower(&mut buffer)).into());
    }
    let header = |what: &str, text: &str| short(what, text, ErrorKind::InvalidHeader);
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
    if !properties.headers.is_empty() {
        out = out.with_headers(headers(&properties.headers)?);
    }
    Ok(out)
}

fn headers(headers: &Headers) -> Result<FieldTable> {
    let mut table = FieldTable::default();
    for (name, value) in headers.iter() {
        let value = match value {
            HeaderValue::Text(text) => AMQPValue::LongString((&**text).into()),
            HeaderValue::Integer(integer) => AMQPValue::LongLongInt(*integer),
            HeaderValue::Boolean(boolean) => AMQPValue::Boolean(*boolean),
        };
        table.insert(short("the name of a header", name, ErrorKind::InvalidHeader)?, value);
    }
    Ok(table)
}

fn short(what: &str, text: &str, kind: ErrorKind) -> Result<ShortString> {
    ShortString::try_new(text).map_err(|_| {
        Error::new(kind, format!("{what} has {} bytes; at most 255 are possible, so shorten it", text.len()))
    })
}
