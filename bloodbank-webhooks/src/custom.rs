//! Webhooks of any sender, declared in TOML.

use axum::http::HeaderMap;
use bloodbank_core::{
    envelope::{Source, TriggerType},
    event_id, routing,
};
use bloodbank_gateway::{Gateway, GatewayError, Problem, parse_json};
use secrecy::SecretString;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use crate::{
    outcome::Outcome,
    signature::{Encoding, Scheme},
};

/// The names that stand in paths of their own.
const TAKEN: [&str; 3] = ["fireflies", "github", "deliveries"];

/// A webhook that the file of webhooks declares.
#[derive(Debug, Clone)]
pub(crate) struct CustomWebhook {
    pub(crate) name: String,
    pub(crate) scheme: Scheme,
    event: Vec<Part>,
    id: Option<Place>,
}

/// A part of the routing key: text, or a value of the request.
#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Value(Place),
}

/// The place of a value in a request.
#[derive(Debug, Clone)]
enum Place {
    Pointer(String),
    Header(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    webhook: Vec<Entry>,
    /// The outgoing webhooks stand in the same file, and are read by whoever sends them.
    #[serde(default, rename = "outgoing")]
    _outgoing: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    signature: SignatureEntry,
    event: String,
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case", deny_unknown_fields)]
enum SignatureEntry {
    StandardWebhooks {
        secret: String,
    },
    HmacSha256 {
        secret: String,
        header: String,
        #[serde(default)]
        prefix: String,
        #[serde(default)]
        encoding: EncodingEntry,
    },
    Stripe {
        secret: String,
    },
    GitlabToken {
        secret: String,
    },
    Basic {
        user: String,
        password: String,
    },
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum EncodingEntry {
    #[default]
    Hex,
    Base64,
}

/// Reads the webhooks of a file.
pub(crate) fn read(text: &str) -> Result<Vec<CustomWebhook>, GatewayError> {
    let file: File = toml::from_str(text).map_err(|error| GatewayError::new(format!("webhooks: {error}")))?;
    let mut webhooks: Vec<CustomWebhook> = Vec::new();
    for entry in file.webhook {
        let webhook = CustomWebhook::try_from(entry)?;
        if webhooks.iter().any(|other| other.name == webhook.name) {
            return Err(GatewayError::new(format!(
                "two webhooks have the name `{}`; rename one of them",
                webhook.name
            )));
        }
        webhooks.push(webhook);
    }
    Ok(webhooks)
}

impl TryFrom<Entry> for CustomWebhook {
    type Error = GatewayError;

    fn try_from(entry: Entry) -> Result<Self, GatewayError> {
        let Entry { name, signature, event, id } = entry;
        let fault = |what: &str| GatewayError::new(format!("webhook `{name}`: {what}"));
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(fault("the name may have lower-case letters, digits, `-` and `_`: it is a part of the path"));
        }
        if TAKEN.contains(&name.as_str()) {
            return Err(fault("this name has an endpoint of its own; choose another"));
        }
        let secret = |text: String| {
            if text.is_empty() {
                Err(fault("the secret is empty; anybody could sign"))
            } else {
                Ok(SecretString::from(text))
            }
        };
        let scheme = match signature {
            SignatureEntry::StandardWebhooks { secret: text } => Scheme::Standard(secret(text)?),
            SignatureEntry::HmacSha256 { secret: text, header, prefix, encoding } => {
                let encoding = match encoding {
                    EncodingEntry::Hex => Encoding::Hex,
                    EncodingEntry::Base64 => Encoding::Base64,
                };
                Scheme::Hmac { secret: secret(text)?, header, prefix, encoding }
            }
            SignatureEntry::Stripe { secret: text } => Scheme::Stripe(secret(text)?),
            SignatureEntry::GitlabToken { secret: text } => Scheme::GitlabToken(secret(text)?),
            SignatureEntry::Basic { user, password } => Scheme::Basic { user, password: secret(password)? },
        };
        let event = parts(&event).ok_or_else(|| {
            fault("`event` is a routing key with places in braces, such as `stripe.{type}`, `shop.{/data/kind}` or `ci.{header:x-event}`")
        })?;
        let id = match id {
            None => None,
            Some(id) => Some(
                place(&id).ok_or_else(|| fault("`id` is a JSON pointer such as `/id`, or `header:x-request-id`"))?,
            ),
        };
        Ok(Self { name, scheme, event, id })
    }
}

/// The place that a text names: `type`, `/data/type` or `header:x-event`.
fn place(text: &str) -> Option<Place> {
    if let Some(header) = text.strip_prefix("header:") {
        return (!header.is_empty()).then(|| Place::Header(header.to_ascii_lowercase()));
    }
    match text.strip_prefix('/').unwrap_or(text) {
        "" => None,
        _ if text.starts_with('/') => Some(Place::Pointer(text.to_owned())),
        member => Some(Place::Pointer(format!("/{member}"))),
    }
}

/// The parts of a routing key with places in braces.
fn parts(event: &str) -> Option<Vec<Part>> {
    let (mut parts, mut rest) = (Vec::new(), event);
    while let Some((text, after)) = rest.split_once('{') {
        let (inside, after) = after.split_once('}')?;
        parts.extend([Part::Text(text.to_owned()), Part::Value(place(inside)?)]);
        rest = after;
    }
    if event.is_empty() || rest.contains('}') {
        return None;
    }
    parts.push(Part::Text(rest.to_owned()));
    Some(parts)
}

impl Place {
    fn find(&self, headers: &HeaderMap, body: &Value) -> Option<String> {
        match self {
            Self::Header(name) => headers.get(name)?.to_str().ok().map(str::to_owned),
            Self::Pointer(pointer) => match body.pointer(pointer)? {
                Value::String(text) => Some(text.clone()),
                value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
                _ => None,
            },
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Header(name) => format!("header `{name}`"),
            Self::Pointer(pointer) => format!("value at `{pointer}`"),
        }
    }
}

impl CustomWebhook {
    /// Publishes the body as the payload of the event that it belongs to.
    pub(crate) async fn handle(&self, gateway: &Gateway, headers: &HeaderMap, body: &[u8]) -> Result<Outcome, Problem> {
        let body: Value = parse_json(body, gateway.limits())?;
        let find = |place: &Place| {
            let missing =
                || Problem::invalid(format!("the request has no {}, which names the event", place.name()), Vec::new());
            place.find(headers, &body).filter(|text| !text.is_empty()).ok_or_else(missing)
        };
        let mut key = String::new();
        for part in &self.event {
            match part {
                Part::Text(text) => key.push_str(text),
                Part::Value(place) => key.push_str(&segments(&find(place)?)),
            }
        }
        routing::check_key(&key).map_err(|fault| Problem::invalid(routing::explain(&key, &fault), Vec::new()))?;
        let mut publish = gateway
            .bus()
            .publish_value(&key, &body)
            .allow_unregistered()
            .source(Source::new(TriggerType::Hook, &self.name));
        if let Some(place) = &self.id {
            publish = publish.event_id(event_id::deterministic(&key, &format!("id={}", find(place)?)));
        }
        Ok(Outcome::Published(vec![publish.await?]))
    }
}

/// A value as a part of a routing key: in lower case, with `_` for what a key cannot have; dots stay.
fn segments(value: &str) -> String {
    value.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c.to_ascii_lowercase() } else { '_' }).collect()
}
