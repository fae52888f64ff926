//! From layers to settings; every bad value is reported, not only the first.

use std::time::Duration;

use secrecy::SecretString;

use super::{
    Settings,
    field::{self, Field},
    layers::{Layer, Raw},
    urls,
};
use crate::{
    error::{Error, ErrorKind, Result},
    transport::topology::QueueKind,
};

const DAY: u64 = 24 * 60 * 60;
/// A century; Redis refuses times to live that overflow its clock.
const MOST_DAYS: u64 = 36_500;
/// AMQP carries names as short strings.
const LONGEST_NAME: usize = 255;
/// A queue is named `{service}.{subscriber}`; something is left for the subscriber.
const LONGEST_SERVICE: usize = 127;

pub(super) fn settings(layers: &[Layer]) -> Result<Settings> {
    let mut reader = Reader { layers, problems: Vec::new() };
    let default = Settings::default();
    let settings = Settings {
        service_name: reader.get(field::SERVICE_NAME, service_name).unwrap_or(default.service_name),
        environment: reader.get(field::ENVIRONMENT, text).unwrap_or(default.environment),
        rabbit_url: reader.get(field::RABBIT_URL, urls::rabbit),
        exchange_name: reader.get(field::EXCHANGE_NAME, exchange_name).unwrap_or(default.exchange_name),
        queue_kind: reader.get(field::QUEUE_TYPE, queue_kind).unwrap_or(default.queue_kind),
        redis_url: reader.redis_url(),
        correlation_ttl: reader.get(field::CORRELATION_TTL_DAYS, ttl).unwrap_or(default.correlation_ttl),
        http_host: reader.get(field::HTTP_HOST, host).unwrap_or(default.http_host),
        http_port: reader.get(field::HTTP_PORT, port).unwrap_or(default.http_port),
        tls_ca: reader.get(field::TLS_CA, |path| Ok(path.into())),
        tls_cert: reader.get(field::TLS_CERT, |path| Ok(path.into())),
        tls_key: reader.get(field::TLS_KEY, |path| Ok(path.into())),
        embedded_path: reader.get(field::EMBEDDED_PATH, |path| Ok(path.into())),
        max_body_bytes: reader
            .get(field::MAX_BODY_BYTES, |value| from_one(value, "bytes"))
            .unwrap_or(default.max_body_bytes),
        publish_window: reader
            .get(field::PUBLISH_WINDOW, |value| from_one(value, "events"))
            .unwrap_or(default.publish_window),
        publish_timeout: reader
            .get(field::PUBLISH_TIMEOUT_MS, |value| from_one(value, "milliseconds"))
            .map_or(default.publish_timeout, |millis| Duration::from_millis(millis as u64)),
    };
    if reader.problems.is_empty() {
        Ok(settings)
    } else {
        Err(Error::new(ErrorKind::Settings, reader.problems.join("\n")))
    }
}

struct Reader<'a> {
    layers: &'a [Layer],
    problems: Vec<String>,
}

impl Reader<'_> {
    /// The strongest value, read; a problem says what is allowed.
    fn get<T>(&mut self, field: Field, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let layers = self.layers.iter();
        let (place, name, raw) =
            layers.filter_map(|layer| layer.get(field).map(|(name, raw)| (layer.place, name, raw))).next()?;
        let name = if place.ends_with(".toml") { name.to_ascii_lowercase() } else { name.to_owned() };
        let Raw::Text(value) = raw else {
            self.problems.push(format!("{name} {place} is not Unicode; set it to text"));
            return None;
        };
        match read(value.trim()) {
            Ok(value) => Some(value),
            Err(allowed) if field.is_secret => {
                self.problems.push(format!("{name} {place} (not shown) {allowed}"));
                None
            }
            Err(allowed) => {
                self.problems.push(format!("{name} {place} is {value:?}; it must be {allowed}"));
                None
            }
        }
    }

    /// `REDIS_URL`, or composed of its parts. Parts win where the host stands in a stronger layer.
    fn redis_url(&mut self) -> Option<SecretString> {
        let rank = |field| self.layers.iter().position(|layer| layer.get(field).is_some());
        let url_rank = rank(field::REDIS_URL).unwrap_or(usize::MAX);
        let host_is_stronger = rank(field::REDIS_HOST).is_some_and(|host_rank| host_rank < url_rank);
        let url = self.get(field::REDIS_URL, urls::redis);
        let host = self.get(field::REDIS_HOST, host);
        let port = self.get(field::REDIS_PORT, port);
        let db = self.get(field::REDIS_DB, database);
        let password = self.get(field::REDIS_PASSWORD, |password| Ok(password.to_owned()));
        if url.is_some() && !host_is_stronger {
            return url;
        }
        if host.is_none() && port.is_none() && db.is_none() && password.is_none() {
            return None;
        }
        Some(urls::redis_from(
            host.as_deref().unwrap_or("localhost"),
            port.unwrap_or(6379),
            db.unwrap_or(0),
            password.as_deref(),
        ))
    }
}

fn text(value: &str) -> Result<String, String> {
    if value.chars().any(char::is_control) {
        return Err("text without control characters".to_owned());
    }
    Ok(value.to_owned())
}

fn service_name(value: &str) -> Result<String, String> {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-'))
    };
    if value.len() <= LONGEST_SERVICE && is_name(value) {
        return Ok(value.to_owned());
    }
    Err(format!(
        "at most {LONGEST_SERVICE} lower-case letters, digits, `_`, `.` and `-`, beginning with a letter or a digit"
    ))
}

fn exchange_name(value: &str) -> Result<String, String> {
    // RabbitMQ keeps `amq.` to itself.
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | ':');
    if value.len() <= LONGEST_NAME && value.chars().all(is_name) && !value.starts_with("amq.") {
        return Ok(value.to_owned());
    }
    Err(format!("at most {LONGEST_NAME} letters, digits, `_`, `.`, `-` and `:`, not beginning with `amq.`"))
}

fn queue_kind(value: &str) -> Result<QueueKind, String> {
    match value {
        "quorum" => Ok(QueueKind::Quorum),
        "classic" => Ok(QueueKind::Classic),
        _ => Err("`quorum` or `classic`".to_owned()),
    }
}

fn host(value: &str) -> Result<String, String> {
    if value.chars().any(|c| c.is_whitespace() || c.is_control() || "/@?#".contains(c)) {
        return Err("a host name or an address, without a port".to_owned());
    }
    Ok(value.to_owned())
}

fn port(value: &str) -> Result<u16, String> {
    match value.parse() {
        Ok(port) if port != 0 => Ok(port),
        _ => Err("a port from 1 to 65535".to_owned()),
    }
}

fn database(value: &str) -> Result<u32, String> {
    value.parse().map_err(|_| "the number of a database, such as 0".to_owned())
}

fn ttl(value: &str) -> Result<Duration, String> {
    match value.parse() {
        Ok(days @ 1..=MOST_DAYS) => Ok(Duration::from_secs(days * DAY)),
        _ => Err(format!("a number of days from 1 to {MOST_DAYS}")),
    }
}

fn from_one(value: &str, what: &str) -> Result<usize, String> {
    match value.parse::<u32>() {
        Ok(number @ 1..) => Ok(number as usize),
        _ => Err(format!("a number of {what} from 1 to {}", u32::MAX)),
    }
}
