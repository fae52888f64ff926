//! The declaration of a webhook.

use std::{collections::BTreeMap, fmt, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bloodbank_core::{Error, ErrorKind, registry::Backoff, routing};
use reqwest::{
    Url,
    header::{HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::{address, duration};

/// What stands before a secret, by the Standard Webhooks rules.
const PREFIX: &str = "whsec_";
/// The least length of a secret, in bytes.
const SHORTEST: usize = 24;

/// The declaration of a webhook, an `[[outgoing]]` of the file.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Entry {
    /// The name, a part of the name of its queue: `webhooks.{name}`.
    pub name: String,
    /// The URL that events are posted to.
    #[serde(deserialize_with = "read_url", serialize_with = "write_url")]
    pub url: Url,
    /// The pattern of the events.
    pub events: String,
    /// The secrets that requests are signed with, the newest first: `whsec_` and base64. During a rotation there are two.
    #[serde(deserialize_with = "read_secrets", skip_serializing)]
    pub secrets: Vec<SecretString>,
    /// Further headers of each request, for receivers that want a token of their own.
    #[serde(default, deserialize_with = "read_headers", skip_serializing)]
    pub headers: BTreeMap<String, SecretString>,
    /// Whether events are sent. What arrives for a webhook that is switched off becomes a dead letter.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether the URL may lead to this machine or to a private network.
    #[serde(default)]
    pub allow_private: bool,
    /// How long a request may take.
    #[serde(default = "timeout", with = "duration")]
    pub timeout: Duration,
    /// How often an event is sent before it becomes a dead letter.
    #[serde(default = "attempts")]
    pub attempts: u32,
    /// The delays between attempts: the first one, which doubles up to the last one.
    #[serde(default = "backoff", deserialize_with = "read_backoff", skip_serializing)]
    pub backoff: Backoff,
    /// How long nothing may get through before the webhook is switched off.
    #[serde(default = "disable_after", with = "duration")]
    pub disable_after: Duration,
}

fn read_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| de::Error::custom(format!("`{text}` is no URL: {error}")))
}

fn write_url<S: Serializer>(url: &Url, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(url.as_str())
}

fn read_secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretString>, D::Error> {
    Ok(Vec::<String>::deserialize(deserializer)?.into_iter().map(SecretString::from).collect())
}

fn read_headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, SecretString>, D::Error> {
    let headers = BTreeMap::<String, String>::deserialize(deserializer)?;
    Ok(headers.into_iter().map(|(name, value)| (name, value.into())).collect())
}

fn yes() -> bool {
    true
}

fn timeout() -> Duration {
    Duration::from_secs(20)
}

fn attempts() -> u32 {
    16
}

fn backoff() -> Backoff {
    Backoff::Exponential { first: Duration::from_secs(5), max: Duration::from_secs(6 * 60 * 60) }
}

fn disable_after() -> Duration {
    Duration::from_secs(3 * 24 * 60 * 60)
}

/// Reads `5s..6h`, or `5s` for the same delay each time.
fn read_backoff<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Backoff, D::Error> {
    let text = String::deserialize(deserializer)?;
    let read = |text: &str| humantime::parse_duration(text.trim()).ok();
    let backoff = match text.split_once("..") {
        Some((first, max)) => read(first)
            .zip(read(max))
            .filter(|(first, max)| first <= max)
            .map(|(first, max)| Backoff::Exponential { first, max }),
        None => read(&text).map(Backoff::Fixed),
    };
    backoff.ok_or_else(|| {
        de::Error::custom(format!("`{text}` is no delay; write `5s..6h`, or `1m` for the same each time"))
    })
}

impl Entry {
    /// Creates a declaration with a new secret.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when the URL is none.
    pub fn new(name: impl Into<String>, url: &str, events: impl Into<String>) -> bloodbank_core::Result<Self> {
        let url =
            Url::parse(url).map_err(|error| Error::new(ErrorKind::Settings, format!("`{url}` is no URL: {error}")))?;
        Ok(Self {
            name: name.into(),
            url,
            events: events.into(),
            secrets: vec![new_secret()],
            headers: BTreeMap::new(),
            enabled: true,
            allow_private: false,
            timeout: timeout(),
            attempts: attempts(),
            backoff: backoff(),
            disable_after: disable_after(),
        })
    }

    /// The queue that its events wait in.
    #[must_use]
    pub fn queue(&self) -> String {
        format!("webhooks.{}", self.name)
    }

    /// The newest secret, which a receiver verifies with.
    #[must_use]
    pub fn newest_secret(&self) -> &str {
        self.secrets.first().map_or("", ExposeSecret::expose_secret)
    }

    /// Says what is wrong with it.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let fault = |what: String| Err(Fault(format!("outgoing webhook `{}`: {what}", self.name)));
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
        if self.name.is_empty() || self.name.len() > 100 || !self.name.bytes().all(is_name) {
            return fault("the name may have up to 100 lower-case letters, digits, `-` and `_`: it is a part of the name of a queue".to_owned());
        }
        if !matches!(self.url.scheme(), "http" | "https") {
            return fault(format!("{} is no URL of HTTP", self.url));
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            return fault(
                "the URL holds a password, which would stand in logs; requests are signed instead".to_owned(),
            );
        }
        if let Err(problem) = routing::check_pattern(&self.events) {
            return fault(format!("`events`: {}", routing::explain(&self.events, &problem)));
        }
        if self.secrets.is_empty() {
            return fault("it has no secret; `bb webhooks rotate` makes one".to_owned());
        }
        if self.secrets.iter().any(|secret| key(secret).is_none()) {
            return fault(format!(
                "a secret is `{PREFIX}` and the base64 of at least {SHORTEST} bytes; `bb webhooks rotate` makes one"
            ));
        }
        if let Some(name) =
            self.headers.iter().find(|(name, value)| header(name, value).is_none()).map(|(name, _)| name)
        {
            return fault(format!("`headers` has `{name}`, which is no header, or one that is set by itself"));
        }
        if self.attempts == 0 {
            return fault("`attempts` is 0; at least one is made".to_owned());
        }
        if !self.allow_private
            && let Err(problem) = address::check(&self.url)
        {
            return fault(problem);
        }
        Ok(())
    }
}

/// What is wrong with a declaration.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A header that may be set: not one that says what the body is, or that proves who sends it.
pub(crate) fn header(name: &str, value: &SecretString) -> Option<(HeaderName, HeaderValue)> {
    const OURS: [&str; 5] = ["connection", "content-length", "content-type", "host", "transfer-encoding"];
    let name: HeaderName = name.parse().ok()?;
    let mut value = HeaderValue::from_str(value.expose_secret()).ok()?;
    value.set_sensitive(true);
    let is_ours = OURS.contains(&name.as_str()) || name.as_str().starts_with("webhook-");
    (!is_ours).then_some((name, value))
}

/// The bytes of a secret.
pub(crate) fn key(secret: &SecretString) -> Option<Vec<u8>> {
    let text = secret.expose_secret().strip_prefix(PREFIX)?;
    STANDARD.decode(text).ok().filter(|key| key.len() >= SHORTEST)
}

/// A new secret.
pub(crate) fn new_secret() -> SecretString {
    let random = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    format!("{PREFIX}{}", STANDARD.encode(random)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let entry: Result<Entry, _> = toml::from_str(text);
        match entry {
            Ok(entry) => entry.check().map_or_else(|fault| fault.to_string(), |()| String::new()),
            Err(error) => error.message().to_owned(),
        }
    }

    #[test]
    fn a_fault_names_the_webhook_and_the_remedy() {
        let good = "name = 'n8n'\nurl = 'https://example.org/hook'\nevents = 'orders.#'\nsecrets = ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw']\n";
        assert_eq!(fault(good), "");
        for (from, to, said) in [
            ("'n8n'", "'N 8'", "the name may have"),
            ("https://example.org", "ftp://example.org", "no URL of HTTP"),
            ("https://example.org", "https://me:secret@example.org", "the URL holds a password"),
            ("https://example.org", "http://169.254.169.254", "allow_private = true"),
            ("https://example.org", "http://localhost", ""),
            ("orders.#", "orders..x", "`events`"),
            ("'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'", "", "no secret"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "hush", "at least 24 bytes"),
            ("name =", "backoff = '1h..5s'\nname =", "is no delay"),
            ("name =", "timeout = 'soon'\nname =", "is no duration"),
            ("name =", "headers = { webhook-id = '1' }\nname =", "`headers` has `webhook-id`"),
            ("name =", "colour = 'red'\nname =", "unknown field"),
        ] {
            let found = fault(&good.replace(from, to));
            assert!(found.contains(said) && (said.is_empty() == found.is_empty()), "{to}: {found:?}");
        }
    }

    #[test]
    fn a_new_secret_is_a_good_one_and_another_each_time() {
        let (one, two) = (new_secret(), new_secret());
        assert_eq!(key(&one).map(|key| key.len()), Some(32));
        assert_ne!(one.expose_secret(), two.expose_secret());
    }
}
