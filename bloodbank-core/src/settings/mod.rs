//! Settings from the environment, `.env` and `bloodbank.toml`; the environment wins.

mod field;
mod kinds;
mod layers;
mod queue_arguments;
mod read;
mod tls;
mod urls;

use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};

#[cfg(feature = "logging")]
pub(crate) use self::read::log_format_of_environment;
pub use self::{
    kinds::{ClaimStoreKind, CorrelationStoreKind, JournalKind, LogFormat, QueueKind, TopologyMode},
    queue_arguments::{QueueArgument, QueueArguments},
    read::Reader,
    tls::TlsFiles,
};
use crate::error::Result;

/// The settings of a program.
///
/// Each field names its variable. The same names in lower case stand in `bloodbank.toml`, flat:
///
/// ```toml
/// service_name = "shipping"
/// rabbit_url = "amqp://localhost"
/// correlation_ttl_days = 7
/// ```
///
/// `.env` and `bloodbank.toml` are read from the working directory. The environment wins over `.env`, and that over
/// `bloodbank.toml`; within one of them the first of two names for the same setting wins. An empty value means unset.
/// `Debug` shows no secrets.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// `SERVICE_NAME`: the name of this service as a publisher: `app_id` of its messages and `source.app` of its events;
    /// unset: the name of its app. `[a-z0-9][a-z0-9_.-]*`. The first part of its queues is the name given to
    /// [`App::new`](crate::App::new) in any case.
    pub service_name: Option<String>,
    /// `ENVIRONMENT`: the name of the environment. Outside of `dev` and `test` a bus in memory is refused, unless
    /// [`allow_memory`](Self::allow_memory) is set.
    pub environment: String,
    /// `RABBIT_URL`: `amqp://user:password@host:port/vhost`; unset: the embedded bus.
    pub rabbit_url: Option<SecretString>,
    /// `RABBIT_MANAGEMENT_URL`: `http://user:password@host:port`, the management API of RabbitMQ, which lists its queues;
    /// unset: port 15672 of the host of `RABBIT_URL`, with its user.
    pub management_url: Option<SecretString>,
    /// `EXCHANGE_NAME`, also `RABBIT_EXCHANGE`: the topic exchange of all events.
    pub exchange_name: String,
    /// `BLOODBANK_QUEUE_TYPE`: `quorum` or `classic`.
    pub queue_kind: QueueKind,
    /// `BLOODBANK_QUEUE_ARGUMENTS`: further arguments of queues on RabbitMQ, by patterns of their names, as JSON.
    pub queue_arguments: QueueArguments,
    /// `BLOODBANK_COMMAND_QUEUES`: what the names of command queues begin with; unset: the name of the exchange. Services that move to
    /// another exchange go on with the queues of the old one.
    pub command_queues: Option<String>,
    /// `REDIS_URL`, or `REDIS_HOST`, `REDIS_PORT`, `REDIS_DB`, `REDIS_PASSWORD`; unset: correlation in the file of the
    /// embedded bus, or in memory.
    pub redis_url: Option<SecretString>,
    /// `DATABASE_URL`: `postgres://user:password@host:port/database` or `sqlite://path/to/file.db`: the database of
    /// stores in SQL, and of the outbox that `bb` works on.
    pub database_url: Option<SecretString>,
    /// `BLOODBANK_CORRELATION_STORE`: where the correlation of events is kept, `redis`, `sql` or `memory`; unset: Redis where
    /// it is set, otherwise the file of the embedded bus, otherwise memory.
    pub correlation_store: Option<CorrelationStoreKind>,
    /// `CORRELATION_TTL_DAYS`, also `REDIS_TTL_DAYS`: how long correlation is kept.
    pub correlation_ttl: Duration,
    /// `BLOODBANK_JOURNAL`: the journal that is read, `stream`, `sql` (its copy in PostgreSQL, in the database of `DATABASE_URL`)
    /// or `off`; unset: the stream, where one is switched on. An embedded bus in a file has its own without it.
    pub journal: JournalKind,
    /// `BLOODBANK_JOURNAL_MAX_AGE_DAYS`: how long a journal on RabbitMQ keeps events.
    pub journal_age: Duration,
    /// `BLOODBANK_JOURNAL_MAX_BYTES`: the bytes above which a journal on RabbitMQ removes the oldest events.
    pub journal_bytes: u64,
    /// `BLOODBANK_ARCHIVE`: a folder, or `s3://bucket/folder`, `gs://…`, `az://…`: the archive of the journal, where the crate
    /// `bloodbank-archive` is linked; unset: none.
    pub archive: Option<String>,
    /// `BLOODBANK_TOPOLOGY`: what is done about exchanges, queues and bindings at the start, `declare`, `verify` or `none`.
    pub topology: TopologyMode,
    /// `HTTP_HOST`: the host of the gateway.
    pub http_host: String,
    /// `HTTP_PORT`: the port of the gateway.
    pub http_port: u16,
    /// `BLOODBANK_PROBES`: `host:port` or `:port`, where an app answers `/healthz`, `/readyz` and `/metrics`; unset: nowhere.
    pub probes: Option<String>,
    /// `BLOODBANK_EMBEDDED_PATH`: the file of the embedded bus; unset: memory.
    pub embedded_path: Option<PathBuf>,
    /// `BLOODBANK_TLS_CA`: a PEM file with the authorities to trust in place of those of the system, for `amqps://` and `rediss://`.
    pub tls_ca: Option<PathBuf>,
    /// `BLOODBANK_TLS_CERT`: a PEM file with the certificate that this program shows.
    pub tls_cert: Option<PathBuf>,
    /// `BLOODBANK_TLS_KEY`: a PEM file with the key of that certificate.
    pub tls_key: Option<PathBuf>,
    /// `BLOODBANK_MAX_BODY_BYTES`: larger bodies are refused before sending.
    pub max_body_bytes: usize,
    /// `BLOODBANK_PUBLISH_WINDOW`: how many events are in flight before publishers wait.
    pub publish_window: usize,
    /// `BLOODBANK_PUBLISH_TIMEOUT_MS`: how long a publisher waits for the confirm.
    pub publish_timeout: Duration,
    /// `BLOODBANK_CLAIM_STORE`: where large payloads are kept, `memory`, `redis`, `file` or `sql`; unset: a file where a directory
    /// is set, otherwise Redis where one is set, otherwise memory.
    pub claim_store: ClaimStoreKind,
    /// `BLOODBANK_CLAIM_DIRECTORY`: the directory of the store `file`.
    pub claim_directory: Option<PathBuf>,
    /// `BLOODBANK_CLAIM_TTL_DAYS`: how long large payloads are kept; unset: as long as correlation.
    pub claim_ttl: Duration,
    /// `BLOODBANK_CLAIM_PREFIX`: the text before the key of each payload in Redis; `none` sets no text.
    pub claim_prefix: String,
    /// `BLOODBANK_CLAIM_THRESHOLD_BYTES`: longer texts stay out of their events.
    pub claim_threshold: usize,
    /// `BLOODBANK_ALLOW_MEMORY`, `1` or `0`: whether the bus may be in memory outside of the environments `dev` and `test`.
    pub allow_memory: bool,
    /// `BLOODBANK_LOG_FORMAT`: how `init_logging` writes log lines, `compact` or `json`.
    pub log_format: LogFormat,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service_name: None,
            environment: "dev".to_owned(),
            rabbit_url: None,
            management_url: None,
            exchange_name: "bloodbank.events.v1".to_owned(),
            queue_kind: QueueKind::Quorum,
            queue_arguments: QueueArguments::default(),
            command_queues: None,
            redis_url: None,
            database_url: None,
            correlation_store: None,
            correlation_ttl: Duration::from_secs(30 * 24 * 60 * 60),
            journal: JournalKind::Stream,
            journal_age: Duration::from_secs(7 * 24 * 60 * 60),
            journal_bytes: 10_000_000_000,
            archive: None,
            topology: TopologyMode::Declare,
            http_host: "127.0.0.1".to_owned(),
            http_port: 8682,
            probes: None,
            embedded_path: None,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            max_body_bytes: 16 * 1024 * 1024,
            publish_window: 256,
            publish_timeout: Duration::from_secs(30),
            claim_store: ClaimStoreKind::Memory,
            claim_directory: None,
            claim_ttl: Duration::from_secs(30 * 24 * 60 * 60),
            claim_prefix: "bloodbank:claim:".to_owned(),
            claim_threshold: 64 * 1024,
            allow_memory: false,
            log_format: LogFormat::Compact,
        }
    }
}

impl Settings {
    /// The addresses of RabbitMQ that [`Settings::rabbit_url`] lists, in their order; they may hold passwords.
    #[must_use]
    pub fn rabbit_urls(&self) -> Vec<SecretString> {
        let urls = self.rabbit_url.as_ref().map(|urls| urls::list(urls.expose_secret()));
        urls.into_iter().flatten().map(SecretString::from).collect()
    }

    /// What the names of command queues begin with: that of the exchange, unless `BLOODBANK_COMMAND_QUEUES` says otherwise.
    #[must_use]
    pub fn command_queues(&self) -> &str {
        self.command_queues.as_deref().unwrap_or(&self.exchange_name)
    }

    /// The address of RabbitMQ without the password, for people.
    pub(crate) fn rabbit_address(&self) -> Option<String> {
        self.rabbit_url.as_ref().map(urls::shown)
    }

    /// The address of Redis without the password, for people.
    pub(crate) fn redis_address(&self) -> Option<String> {
        self.redis_url.as_ref().map(urls::shown)
    }

    /// Loads the settings from the environment, `.env` and `bloodbank.toml` in the working directory.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Settings`] naming every variable with a bad value, where it stands, the value (unless it may
    /// hold a secret) and what is allowed.
    pub fn load() -> Result<Self> {
        read::settings(Reader::load()?)
    }

    /// Loads the settings from `.env` and `bloodbank.toml` in this folder, and these variables in place of the
    /// environment's.
    ///
    /// # Errors
    /// Like [`Settings::load`].
    pub fn load_from<K: Into<String>, V: Into<String>>(
        folder: impl AsRef<std::path::Path>,
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self> {
        read::settings(Reader::load_from(folder, vars)?)
    }

    /// Reads the settings from these variables alone, for tests.
    ///
    /// ```
    /// # use bloodbank_core::Settings;
    /// let settings = Settings::from_vars([("SERVICE_NAME", "shipping"), ("HTTP_PORT", "8080")])?;
    /// assert_eq!(settings.http_port, 8080);
    /// let error = Settings::from_vars([("HTTP_PORT", "http")]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "HTTP_PORT in the environment is \"http\"; it must be a port from 1 to 65535"
    /// );
    /// # Ok::<(), bloodbank_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Like [`Settings::load`].
    pub fn from_vars<K: Into<String>, V: Into<String>>(vars: impl IntoIterator<Item = (K, V)>) -> Result<Self> {
        read::settings(Reader::from_vars(vars))
    }
}
