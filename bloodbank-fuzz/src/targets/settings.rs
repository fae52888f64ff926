//! The target `settings`: environment variables, with addresses that hold passwords.

use bloodbank::{Settings, store::redis::RedisConnection};

use tokio::runtime::Runtime;

use crate::Target;

const SECRET: &str = "s3cr3t";
/// The variables whose values are never shown.
const SECRETS: [&str; 3] = ["RABBIT_URL", "REDIS_URL", "REDIS_PASSWORD"];

/// Settings as lines of `NAME=value`: accepted, or refused with a reason; no message shows a secret.
pub struct SettingsVariables(Runtime);

impl Default for SettingsVariables {
    fn default() -> Self {
        Self(tokio::runtime::Builder::new_current_thread().build().expect("a runtime"))
    }
}

impl Target for SettingsVariables {
    fn name(&self) -> &'static str {
        "settings"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        [
            "RABBIT_URL=amqp://user:s3cr3t@host:5672/%2f",
            "RABBIT_URL=amqps://user:s3cr3t@[::1]:5671/orders?heartbeat=10&connection_timeout=1",
            "REDIS_URL=redis://:s3cr3t@host:6379/0",
            "REDIS_URL=rediss://user:s3cr3t@host/1?protocol=resp3",
            "REDIS_HOST=::1\nREDIS_PORT=6379\nREDIS_DB=3\nREDIS_PASSWORD=s3cr3t",
            "RABBIT_URL=amqp://user:s3cr3t@host\nREDIS_URL=redis+unix:///tmp/s3cr3t?db=2",
            "SERVICE_NAME=orders\nENVIRONMENT=dev\nEXCHANGE_NAME=bloodbank.events.v1\nHTTP_HOST=127.0.0.1\nHTTP_PORT=8682",
            "CORRELATION_TTL_DAYS=30\nBLOODBANK_QUEUE_TYPE=classic\nBLOODBANK_MAX_BODY_BYTES=1000\nBLOODBANK_PUBLISH_WINDOW=256",
            "BLOODBANK_PUBLISH_TIMEOUT_MS=30000\nBLOODBANK_EMBEDDED_PATH=/tmp/bus.db\nBLOODBANK_TLS_CA=/tmp/ca.pem",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            "RABBIT_URL=",
            "REDIS_URL=",
            "REDIS_HOST=",
            "REDIS_PORT=",
            "REDIS_DB=",
            "REDIS_PASSWORD=",
            "SERVICE_NAME=",
            "EXCHANGE_NAME=",
            "HTTP_PORT=",
            "amqp://",
            "amqps://",
            "redis://",
            "rediss://",
            "redis+unix://",
            "unix://",
            "@",
            ":",
            "/",
            "?",
            "#",
            "%",
            "%2f",
            "%00",
            "[",
            "]",
            "[::1]",
            "s3cr3t",
            ":s3cr3t@",
            "#insecure",
            "heartbeat=0",
            "65536",
            "0",
            "-1",
            "\n",
            " ",
            "localhost",
            "db=1",
            "&",
            "=",
            "host",
        ]
    }

    fn execute(&mut self, input: &[u8]) -> String {
        let text = String::from_utf8_lossy(input);
        let variables: Vec<_> = text.lines().filter_map(|line| line.split_once('=')).collect();
        // Elsewhere the word is no secret, and may be shown.
        let is_secret = variables.iter().all(|(name, value)| SECRETS.contains(name) || !value.contains(SECRET));
        // A client of Redis wants to be made in one; it connects later.
        let _inside = self.0.enter();
        let refused = match Settings::from_vars(variables) {
            Ok(settings) => {
                let shown = format!("{settings:?}");
                assert!(!is_secret || !shown.contains(SECRET), "shows the secret: {shown}");
                RedisConnection::from_settings(&settings).err()
            }
            Err(error) => Some(error),
        };
        let Some(error) = refused else { return "accepted".to_owned() };
        let shown = shown(&error);
        assert!(!is_secret || !shown.contains(SECRET), "shows the secret: {shown}");
        error.to_string()
    }
}

/// The texts of an error and of its sources.
fn shown(error: &dyn std::error::Error) -> String {
    let mut shown = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(error) = source {
        shown += &error.to_string();
        source = error.source();
    }
    shown
}
