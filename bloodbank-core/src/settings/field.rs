//! The names of all settings, declared once.

use bloodbank_routing::nearest_within;

/// A setting with its names as a variable; the first one wins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) names: &'static [&'static str],
    /// Whether the value is never shown.
    pub(super) is_secret: bool,
}

const fn field(names: &'static [&'static str]) -> Field {
    Field { names, is_secret: false }
}

const fn secret(names: &'static [&'static str]) -> Field {
    Field { names, is_secret: true }
}

pub(super) const SERVICE_NAME: Field = field(&["SERVICE_NAME"]);
pub(super) const ENVIRONMENT: Field = field(&["ENVIRONMENT"]);
pub(super) const RABBIT_URL: Field = secret(&["RABBIT_URL"]);
pub(super) const MANAGEMENT_URL: Field = secret(&["RABBIT_MANAGEMENT_URL"]);
pub(super) const TOPOLOGY: Field = field(&["BLOODBANK_TOPOLOGY"]);
pub(super) const RABBIT_URL_FILE: Field = field(&["RABBIT_URL_FILE"]);
pub(super) const REDIS_URL_FILE: Field = field(&["REDIS_URL_FILE"]);
pub(super) const DATABASE_URL_FILE: Field = field(&["DATABASE_URL_FILE"]);
pub(super) const EXCHANGE_NAME: Field = field(&["EXCHANGE_NAME", "RABBIT_EXCHANGE"]);
pub(super) const QUEUE_TYPE: Field = field(&["BLOODBANK_QUEUE_TYPE"]);
pub(super) const QUEUE_ARGUMENTS: Field = field(&["BLOODBANK_QUEUE_ARGUMENTS"]);
pub(super) const COMMAND_QUEUES: Field = field(&["BLOODBANK_COMMAND_QUEUES"]);
pub(super) const REDIS_URL: Field = secret(&["REDIS_URL"]);
pub(super) const REDIS_HOST: Field = field(&["REDIS_HOST"]);
pub(super) const REDIS_PORT: Field = field(&["REDIS_PORT"]);
pub(super) const REDIS_DB: Field = field(&["REDIS_DB"]);
pub(super) const REDIS_PASSWORD: Field = secret(&["REDIS_PASSWORD"]);
pub(super) const DATABASE_URL: Field = secret(&["DATABASE_URL"]);
pub(super) const CORRELATION_STORE: Field = field(&["BLOODBANK_CORRELATION_STORE"]);
pub(super) const CORRELATION_TTL_DAYS: Field = field(&["CORRELATION_TTL_DAYS", "REDIS_TTL_DAYS"]);
pub(super) const JOURNAL: Field = field(&["BLOODBANK_JOURNAL"]);
pub(super) const JOURNAL_MAX_AGE_DAYS: Field = field(&["BLOODBANK_JOURNAL_MAX_AGE_DAYS"]);
pub(super) const JOURNAL_MAX_BYTES: Field = field(&["BLOODBANK_JOURNAL_MAX_BYTES"]);
pub(super) const ARCHIVE: Field = field(&["BLOODBANK_ARCHIVE"]);
pub(super) const HTTP_HOST: Field = field(&["HTTP_HOST"]);
pub(super) const HTTP_PORT: Field = field(&["HTTP_PORT"]);
pub(super) const PROBES: Field = field(&["BLOODBANK_PROBES"]);
pub(super) const EMBEDDED_PATH: Field = field(&["BLOODBANK_EMBEDDED_PATH"]);
pub(super) const TLS_CA: Field = field(&["BLOODBANK_TLS_CA"]);
pub(super) const TLS_CERT: Field = field(&["BLOODBANK_TLS_CERT"]);
pub(super) const TLS_KEY: Field = field(&["BLOODBANK_TLS_KEY"]);
pub(super) const MAX_BODY_BYTES: Field = field(&["BLOODBANK_MAX_BODY_BYTES"]);
pub(super) const PUBLISH_WINDOW: Field = field(&["BLOODBANK_PUBLISH_WINDOW"]);
pub(super) const PUBLISH_TIMEOUT_MS: Field = field(&["BLOODBANK_PUBLISH_TIMEOUT_MS"]);
pub(super) const CLAIM_STORE: Field = field(&["BLOODBANK_CLAIM_STORE"]);
pub(super) const CLAIM_DIRECTORY: Field = field(&["BLOODBANK_CLAIM_DIRECTORY"]);
pub(super) const CLAIM_TTL_DAYS: Field = field(&["BLOODBANK_CLAIM_TTL_DAYS"]);
pub(super) const CLAIM_PREFIX: Field = field(&["BLOODBANK_CLAIM_PREFIX"]);
pub(super) const CLAIM_THRESHOLD_BYTES: Field = field(&["BLOODBANK_CLAIM_THRESHOLD_BYTES"]);
pub(super) const ALLOW_MEMORY: Field = field(&["BLOODBANK_ALLOW_MEMORY"]);
pub(super) const LOG_FORMAT: Field = field(&["BLOODBANK_LOG_FORMAT"]);

/// The settings that `bloodbank.toml` may hold. The last ones are read by other parts of Bloodbank ([`super::Reader`]):
/// programs with and without such a part share one file.
const ALL: [Field; 77] = [
    SERVICE_NAME,
    ENVIRONMENT,
    RABBIT_URL,
    MANAGEMENT_URL,
    EXCHANGE_NAME,
    QUEUE_TYPE,
    QUEUE_ARGUMENTS,
    COMMAND_QUEUES,
    REDIS_URL,
    REDIS_HOST,
    REDIS_PORT,
    REDIS_DB,
    REDIS_PASSWORD,
    DATABASE_URL,
    CORRELATION_STORE,
    CORRELATION_TTL_DAYS,
    JOURNAL,
    JOURNAL_MAX_AGE_DAYS,
    JOURNAL_MAX_BYTES,
    ARCHIVE,
    HTTP_HOST,
    HTTP_PORT,
    PROBES,
    EMBEDDED_PATH,
    TLS_CA,
    TLS_CERT,
    TLS_KEY,
    MAX_BODY_BYTES,
    PUBLISH_WINDOW,
    PUBLISH_TIMEOUT_MS,
    CLAIM_STORE,
    CLAIM_DIRECTORY,
    CLAIM_TTL_DAYS,
    CLAIM_PREFIX,
    CLAIM_THRESHOLD_BYTES,
    ALLOW_MEMORY,
    LOG_FORMAT,
    field(&["BLOODBANK_AGENT"]),
    field(&["BLOODBANK_AGENT_COMMAND"]),
    field(&["BLOODBANK_AGENT_DIRECTORY"]),
    field(&["BLOODBANK_AGENT_OUTPUT"]),
    secret(&["BLOODBANK_AGENT_URL"]),
    secret(&["BLOODBANK_AGENT_KEY"]),
    field(&["BLOODBANK_AGENT_MODEL"]),
    field(&["BLOODBANK_AGENT_TIMEOUT_SECONDS"]),
    field(&["BLOODBANK_AGENT_MAX_OUTPUT_BYTES"]),
    secret(&["FIREFLIES_WEBHOOK_SECRET"]),
    secret(&["FIREFLIES_API_KEY"]),
    field(&["FIREFLIES_API_URL"]),
    secret(&["GITHUB_WEBHOOK_SECRET"]),
    field(&["BLOODBANK_WEBHOOKS_FILE"]),
    TOPOLOGY,
    RABBIT_URL_FILE,
    REDIS_URL_FILE,
    DATABASE_URL_FILE,
    field(&["BLOODBANK_EXECUTE"]),
    field(&["BLOODBANK_TOKENS_FILE"]),
    secret(&["BLOODBANK_TOKENS"]),
    secret(&["BLOODBANK_TOKEN"]),
    field(&["BLOODBANK_HTTP_BODY_BYTES"]),
    field(&["BLOODBANK_HTTP_BATCH_BYTES"]),
    field(&["BLOODBANK_HTTP_BATCH_EVENTS"]),
    field(&["BLOODBANK_HTTP_NESTING"]),
    field(&["BLOODBANK_HTTP_CONCURRENCY"]),
    field(&["BLOODBANK_HTTP_STREAMS"]),
    field(&["BLOODBANK_HTTP_MCP_SESSIONS"]),
    field(&["BLOODBANK_HTTP_RECENT_EVENTS"]),
    field(&["BLOODBANK_HTTP_RECENT_BYTES"]),
    field(&["BLOODBANK_HTTP_REQUEST_SECONDS"]),
    field(&["BLOODBANK_HTTP_HEADER_SECONDS"]),
    field(&["BLOODBANK_HTTP_ORIGINS"]),
    field(&["BLOODBANK_HTTP_PUBLIC_URL"]),
    field(&["BLOODBANK_HTTP_TLS_CERT"]),
    field(&["BLOODBANK_HTTP_TLS_KEY"]),
    field(&["BLOODBANK_ARCHIVE_SEGMENT_EVENTS"]),
    field(&["BLOODBANK_ARCHIVE_SEGMENT_BYTES"]),
    field(&["BLOODBANK_ARCHIVE_SEGMENT_SECONDS"]),
];

/// The setting that names a file with the value of this one.
pub(super) fn file_of(field: Field) -> Option<Field> {
    match field.names[0] {
        "RABBIT_URL" => Some(RABBIT_URL_FILE),
        "REDIS_URL" => Some(REDIS_URL_FILE),
        "DATABASE_URL" => Some(DATABASE_URL_FILE),
        _ => None,
    }
}

/// The setting with this name.
pub(super) fn named(name: &str) -> Option<Field> {
    ALL.into_iter().find(|field| field.names.contains(&name))
}

/// Every name of every setting.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|field| field.names).copied()
}

/// The names that other programs use for what is a setting here.
const ALIASES: [(&str, &[&str]); 4] = [
    (
        "RABBIT_URL",
        &[
            "RABBITMQ_URL",
            "RABBITMQ_URI",
            "RABBITMQ_ADDRESS",
            "RABBITMQ_HOST",
            "RABBIT_HOST",
            "RABBIT_MQ_URL",
            "AMQP_URL",
            "AMQP_URI",
            "AMQP_HOST",
            "AMQPS_URL",
            "CLOUDAMQP_URL",
            "BROKER_URL",
            "CELERY_BROKER_URL",
        ],
    ),
    ("REDIS_URL", &["REDISCLOUD_URL", "REDIS_TLS_URL", "REDIS_DSN", "REDIS_ADDR", "REDIS_ADDRESS"]),
    ("REDIS_PASSWORD", &["REDIS_PASS"]),
    ("REDIS_DB", &["REDIS_DATABASE"]),
];

/// The most edits by which a misspelt name differs from the right one.
const MOST_EDITS: usize = 2;

/// The name that was probably meant by one that is read by nobody: an alias, a misspelling, or the name in lower case.
pub(super) fn meant_by(name: &str) -> Option<&'static str> {
    let upper = name.to_ascii_uppercase();
    let alias = ALIASES.iter().find(|(_, aliases)| aliases.contains(&upper.as_str()));
    if let Some((name, _)) = alias {
        return Some(name);
    }
    if names().any(|known| known == name) {
        return None;
    }
    nearest_within(&upper, names(), MOST_EDITS)
}

/// All names of the setting with this name.
pub(super) fn synonyms(name: &'static str) -> Vec<&'static str> {
    named(name).map_or_else(|| vec![name], |field| field.names.to_vec())
}
