//! Reads settings from layers; every bad value is reported, not only the first.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use secrecy::SecretString;

use super::{
    Settings,
    field::{self, Field},
    layers::{self, Layer, Raw},
    queue_arguments, urls,
};
use crate::{
    error::{Error, ErrorKind, Result},
    settings::{ClaimStoreKind, CorrelationStoreKind, JournalKind, LogFormat, QueueKind, TopologyMode},
};

const DAY: u64 = 24 * 60 * 60;
/// The longest time to live, in days: a century; Redis refuses times to live that overflow its clock.
const MOST_DAYS: u64 = 36_500;
/// The longest name in bytes: AMQP carries names as short strings.
const LONGEST_NAME: usize = 255;
/// The longest service name in bytes: a queue is named `{service}.{subscriber}`, and something is left for the
/// subscriber.
const LONGEST_SERVICE: usize = 127;

/// The format of log lines that is set; none where it is not set or cannot be read, which [`Settings::load`] says.
#[cfg(feature = "logging")]
pub(crate) fn log_format_of_environment() -> Option<LogFormat> {
    Reader::load().ok()?.field(field::LOG_FORMAT, log_format)
}

pub(super) fn settings(mut reader: Reader) -> Result<Settings> {
    let reader = &mut reader;
    let default = Settings::default();
    let redis_url = reader.redis_url();
    // Not looked at before it is used: a service may have a database of another kind.
    let database_url = reader.field(field::DATABASE_URL, |url| Ok(url.to_owned().into()));
    let claim_directory = reader.field(field::CLAIM_DIRECTORY, |path| Ok(path.into()));
    let claim_store = reader.claim_store(redis_url.is_some(), claim_directory.is_some());
    let correlation_ttl = reader.field(field::CORRELATION_TTL_DAYS, ttl).unwrap_or(default.correlation_ttl);
    let settings = Settings {
        service_name: reader.field(field::SERVICE_NAME, service_name),
        environment: reader.field(field::ENVIRONMENT, text).unwrap_or(default.environment),
        rabbit_url: reader.field(field::RABBIT_URL, urls::rabbit),
        management_url: reader.field(field::MANAGEMENT_URL, urls::management),
        exchange_name: reader.field(field::EXCHANGE_NAME, exchange_name).unwrap_or(default.exchange_name),
        queue_kind: reader.field(field::QUEUE_TYPE, queue_kind).unwrap_or(default.queue_kind),
        queue_arguments: reader.field(field::QUEUE_ARGUMENTS, queue_arguments::read).unwrap_or_default(),
        command_queues: reader.field(field::COMMAND_QUEUES, exchange_name),
        correlation_store: reader.correlation_store(redis_url.is_some(), database_url.is_some()),
        journal: reader.journal(database_url.is_some()).unwrap_or(default.journal),
        journal_age: reader.field(field::JOURNAL_MAX_AGE_DAYS, ttl).unwrap_or(default.journal_age),
        journal_bytes: reader.field(field::JOURNAL_MAX_BYTES, journal_bytes).unwrap_or(default.journal_bytes),
        archive: reader.field(field::ARCHIVE, text),
        topology: reader.field(field::TOPOLOGY, topology).unwrap_or(default.topology),
        redis_url,
        database_url,
        correlation_ttl,
        http_host: reader.field(field::HTTP_HOST, host).unwrap_or(default.http_host),
        http_port: reader.field(field::HTTP_PORT, port).unwrap_or(default.http_port),
        probes: reader.field(field::PROBES, address),
        tls_ca: reader.field(field::TLS_CA, |path| Ok(path.into())),
        tls_cert: reader.field(field::TLS_CERT, |path| Ok(path.into())),
        tls_key: reader.field(field::TLS_KEY, |path| Ok(path.into())),
        embedded_path: reader.field(field::EMBEDDED_PATH, |path| Ok(path.into())),
        max_body_bytes: reader
            .field(field::MAX_BODY_BYTES, |value| from_one(value, "bytes"))
            .unwrap_or(default.max_body_bytes),
        publish_window: reader
            .field(field::PUBLISH_WINDOW, |value| from_one(value, "events"))
            .unwrap_or(default.publish_window),
        publish_timeout: reader
            .field(field::PUBLISH_TIMEOUT_MS, |value| from_one(value, "milliseconds"))
            .map_or(default.publish_timeout, |millis| Duration::from_millis(millis as u64)),
        claim_store,
        claim_directory,
        claim_ttl: reader.field(field::CLAIM_TTL_DAYS, ttl).unwrap_or(correlation_ttl),
        claim_prefix: reader.field(field::CLAIM_PREFIX, claim_prefix).unwrap_or(default.claim_prefix),
        claim_threshold: reader
            .field(field::CLAIM_THRESHOLD_BYTES, |value| from_one(value, "bytes"))
            .unwrap_or(default.claim_threshold),
        allow_memory: reader.field(field::ALLOW_MEMORY, switch).unwrap_or(default.allow_memory),
        log_format: reader.field(field::LOG_FORMAT, log_format).unwrap_or(default.log_format),
    };
    reader.finish().map(|()| settings)
}

/// A reader for the settings of a part of Bloodbank that has its own, from the same layers as [`Settings`] and with the
/// same errors.
///
/// A reader knows the names that `bloodbank.toml` may hold.
///
/// ```
/// # use bloodbank_core::settings::Reader;
/// let mut reader = Reader::from_vars([("BLOODBANK_AGENT", "oracle")]);
/// let agent = reader.get("BLOODBANK_AGENT", |value| match value {
///     "echo" => Ok(value.to_owned()),
///     _ => Err("`echo`".to_owned()),
/// });
/// assert_eq!(agent, None);
/// assert_eq!(
///     reader.finish().unwrap_err().to_string(),
///     "BLOODBANK_AGENT in the environment is \"oracle\"; it must be `echo`"
/// );
/// ```
#[must_use = "what is wrong, `finish` says"]
pub struct Reader {
    layers: Vec<Layer>,
    problems: Vec<String>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values may be secrets.
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Reader {
    /// Creates a reader of the environment, `.env` and `bloodbank.toml` in the working directory.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when one of the files cannot be read.
    pub fn load() -> Result<Self> {
        Ok(Self::of(layers::all(Path::new("."), std::env::vars_os())?))
    }

    /// Creates a reader of `.env` and `bloodbank.toml` in this folder, and these variables in place of the
    /// environment's.
    ///
    /// # Errors
    /// Like [`Reader::load`].
    pub fn load_from<K: Into<String>, V: Into<String>>(
        folder: impl AsRef<Path>,
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        let vars = vars.into_iter().map(|(name, value)| (name.into().into(), value.into().into()));
        Ok(Self::of(layers::all(folder.as_ref(), vars)?))
    }

    /// Creates a reader of these variables alone, for tests.
    pub fn from_vars<K: Into<String>, V: Into<String>>(vars: impl IntoIterator<Item = (K, V)>) -> Self {
        let vars = vars.into_iter().map(|(name, value)| (name.into().into(), value.into().into()));
        Self::of(vec![layers::environment(vars)])
    }

    fn of(layers: Vec<Layer>) -> Self {
        Self { problems: layers::misspelt(&layers), layers }
    }

    /// Reads the strongest value of a setting; an error is kept for [`Reader::finish`].
    ///
    /// The error of `read` names what is allowed, to complete “it must be …”; for a secret, whose value is not shown,
    /// it is the whole predicate, as in “must be …”.
    pub fn get<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match field::named(name) {
            Some(field) => self.field(field, read),
            None => {
                self.problem(format!("{name} is no setting that can be read"));
                None
            }
        }
    }

    /// Whether a setting has a value, valid or not.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        field::named(name).is_some_and(|field| self.layers.iter().any(|layer| layer.get(field).is_some()))
    }

    /// Adds a problem, such as one setting without the other.
    pub fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// Returns an error with every problem, each on a line of its own, if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] naming every setting with a bad value, where it stands, the value (unless it may hold a
    /// secret) and what is allowed.
    pub fn finish(&mut self) -> Result<()> {
        let problems = std::mem::take(&mut self.problems);
        if problems.is_empty() { Ok(()) } else { Err(Error::new(ErrorKind::Settings, problems.join("\n"))) }
    }

    fn field<T>(&mut self, field: Field, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let mut layers = self.layers.iter();
        let found = layers.find_map(|layer| layer.get(field).map(|(name, raw)| (layer.place, name, raw)));
        let Some((place, name, raw)) = found else { return self.of_file(field, read) };
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

    /// Reads a secret that stands in a file of its own, as container platforms mount it.
    fn of_file<T>(&mut self, field: Field, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let named = field::file_of(field)?;
        let path = self.layers.iter().find_map(|layer| layer.get(named))?;
        let Raw::Text(path) = path.1 else {
            self.problems.push(format!("{} is not Unicode; set it to text", named.names[0]));
            return None;
        };
        let path = PathBuf::from(path.trim());
        let read_file = fs::read_to_string(&path);
        let (name, path) = (field.names[0], path.display());
        let text = match read_file {
            Ok(text) => text,
            Err(error) => {
                self.problem(format!("{name}_FILE names {path}, which cannot be read: {error}"));
                return None;
            }
        };
        match read(text.trim()) {
            Ok(value) => Some(value),
            Err(allowed) => {
                self.problem(format!("{name} in {path} (not shown) {allowed}"));
                None
            }
        }
    }

    /// The store of correlation that is named.
    fn correlation_store(&mut self, has_redis: bool, has_database: bool) -> Option<CorrelationStoreKind> {
        let named = self.field(field::CORRELATION_STORE, |value| match value {
            "redis" => Ok(CorrelationStoreKind::Redis),
            "sql" => Ok(CorrelationStoreKind::Sql),
            "memory" => Ok(CorrelationStoreKind::Memory),
            _ => Err("`redis`, `sql` or `memory`".to_owned()),
        });
        match named {
            Some(CorrelationStoreKind::Redis) if !has_redis => {
                self.problem("BLOODBANK_CORRELATION_STORE is `redis`, and no Redis is set; set REDIS_URL");
            }
            Some(CorrelationStoreKind::Sql) if !has_database => {
                self.problem("BLOODBANK_CORRELATION_STORE is `sql`, and DATABASE_URL is not set; set it");
            }
            _ => {}
        }
        named
    }

    /// The journal that is named.
    fn journal(&mut self, has_database: bool) -> Option<JournalKind> {
        let named = self.field(field::JOURNAL, journal);
        if named == Some(JournalKind::Sql) && !has_database {
            self.problem("BLOODBANK_JOURNAL is `sql`, and DATABASE_URL is not set; set it");
        }
        named
    }

    /// The claim store that is named, or else the one that is configured.
    fn claim_store(&mut self, has_redis: bool, has_directory: bool) -> ClaimStoreKind {
        let named = self.field(field::CLAIM_STORE, claim_store);
        match named {
            Some(ClaimStoreKind::Redis) if !has_redis => {
                self.problem("BLOODBANK_CLAIM_STORE is `redis`, and no Redis is set; set REDIS_URL");
            }
            Some(ClaimStoreKind::File) if !has_directory => self.problem(
                "BLOODBANK_CLAIM_STORE is `file`, and BLOODBANK_CLAIM_DIRECTORY is not set; set it to a directory for claims alone",
            ),
            _ => {}
        }
        named.unwrap_or(match (has_directory, has_redis) {
            (true, _) => ClaimStoreKind::File,
            (false, true) => ClaimStoreKind::Redis,
            (false, false) => ClaimStoreKind::Memory,
        })
    }

    /// The Redis address from `REDIS_URL`, or composed of its parts. Parts win where the host stands in a stronger
    /// layer.
    fn redis_url(&mut self) -> Option<SecretString> {
        let rank = |field| self.layers.iter().position(|layer| layer.get(field).is_some());
        let url_rank = rank(field::REDIS_URL).unwrap_or(usize::MAX);
        let host_is_stronger = rank(field::REDIS_HOST).is_some_and(|host_rank| host_rank < url_rank);
        let url = self.field(field::REDIS_URL, urls::redis);
        let host = self.field(field::REDIS_HOST, host);
        let port = self.field(field::REDIS_PORT, port);
        let db = self.field(field::REDIS_DB, database);
        let password = self.field(field::REDIS_PASSWORD, |password| Ok(password.to_owned()));
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

fn claim_store(value: &str) -> Result<ClaimStoreKind, String> {
    match value {
        "memory" => Ok(ClaimStoreKind::Memory),
        "redis" => Ok(ClaimStoreKind::Redis),
        "file" => Ok(ClaimStoreKind::File),
        "sql" => Ok(ClaimStoreKind::Sql),
        _ => Err("`memory`, `redis`, `file` or `sql`".to_owned()),
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

/// An empty value means unset, so that no prefix needs a word.
fn claim_prefix(value: &str) -> Result<String, String> {
    match value {
        "none" => Ok(String::new()),
        _ if value.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            Err("text without spaces, such as `bloodbank:claim:`, or `none`".to_owned())
        }
        _ => Ok(value.to_owned()),
    }
}

fn log_format(value: &str) -> Result<LogFormat, String> {
    match value {
        "compact" => Ok(LogFormat::Compact),
        "json" => Ok(LogFormat::Json),
        _ => Err("`compact` or `json`".to_owned()),
    }
}

fn switch(value: &str) -> Result<bool, String> {
    match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err("`1` or `0`".to_owned()),
    }
}

fn host(value: &str) -> Result<String, String> {
    if value.chars().any(|c| c.is_whitespace() || c.is_control() || "/@?#".contains(c)) {
        return Err("a host name or an address, without a port".to_owned());
    }
    Ok(value.to_owned())
}

fn address(value: &str) -> Result<String, String> {
    let allowed = || "`host:port` or `:port`, such as `:9090`".to_owned();
    let (host, port) = value.rsplit_once(':').ok_or_else(allowed)?;
    let is_host = host.is_empty() || self::host(host).is_ok();
    if is_host && port.parse::<u16>().is_ok() { Ok(value.to_owned()) } else { Err(allowed()) }
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

fn journal(value: &str) -> Result<JournalKind, String> {
    match value {
        "stream" => Ok(JournalKind::Stream),
        "sql" => Ok(JournalKind::Sql),
        "off" => Ok(JournalKind::Off),
        _ => Err("`stream`, `sql` or `off`".to_owned()),
    }
}

/// Less would be less than a few segments.
const LEAST_JOURNAL_BYTES: u64 = 10_000_000;

fn topology(value: &str) -> Result<TopologyMode, String> {
    match value {
        "declare" => Ok(TopologyMode::Declare),
        "verify" => Ok(TopologyMode::Verify),
        "none" => Ok(TopologyMode::None),
        _ => Err("`declare`, `verify` or `none`".to_owned()),
    }
}

fn journal_bytes(value: &str) -> Result<u64, String> {
    match value.parse() {
        Ok(bytes @ LEAST_JOURNAL_BYTES..) => Ok(bytes),
        _ => Err(format!("a number of bytes from {LEAST_JOURNAL_BYTES}")),
    }
}

fn from_one(value: &str, what: &str) -> Result<usize, String> {
    match value.parse::<u32>() {
        Ok(number @ 1..) => Ok(number as usize),
        _ => Err(format!("a number of {what} from 1 to {}", u32::MAX)),
    }
}
