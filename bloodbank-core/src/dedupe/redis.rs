//! What was handled, in Redis.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use redis::{
    Client, Cmd, FromRedisValue, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::SecretString;
use uuid::Uuid;

use super::{Acquired, DedupeKey, DedupeStore};
use crate::{
    error::{Error, ErrorKind, Result},
    settings::Settings,
    tls::{Pem, redis_client},
};

/// How long a connection may take to be made, and an answer; callers have a deadline of their own.
const CONNECTING: Duration = Duration::from_secs(1);
const ANSWERING: Duration = Duration::from_secs(2);

// The value is the token of a lease, or `done`. KEYS[1]: the key; ARGV: token, milliseconds.
const ACQUIRE: &str = "
    local held = redis.call('GET', KEYS[1])
    if held == 'done' then return 1 end
    if held and held ~= ARGV[1] then return 2 end
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return 0";
const RENEW: &str = "
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])";
const FINISH: &str = "
    local held = redis.call('GET', KEYS[1])
    if held and held ~= ARGV[1] and held ~= 'done' then return 0 end
    redis.call('SET', KEYS[1], 'done', 'PX', ARGV[2])
    return 1";
const RELEASE: &str = "
    if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
    return 1";

/// What was handled, in Redis under `bloodbank:dedupe:{queue}:{event_id}`; each key expires by itself.
///
/// What Redis loses, by a crash without persistence or because it evicts, may be handled twice.
pub struct RedisStore {
    client: Client,
    connection: Mutex<ConnectionManager>,
}

impl RedisStore {
    /// A store in the Redis at this address. It connects when it is first used; call this within a tokio runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when the address is none.
    pub fn new(url: &SecretString) -> Result<Self> {
        Self::with_client(redis_client(url, None)?)
    }

    /// A store in the Redis of the settings, with their certificates; `None`: they name none.
    ///
    /// # Errors
    /// Like [`RedisStore::new`], and when a certificate cannot be read.
    pub fn from_settings(settings: &Settings) -> Result<Option<Self>> {
        let Some(url) = &settings.redis_url else { return Ok(None) };
        Self::with_client(redis_client(url, Some(Pem::read(settings)?))?).map(Some)
    }

    fn with_client(client: Client) -> Result<Self> {
        Ok(Self { connection: Mutex::new(connect(&client).map_err(failed)?), client })
    }

    async fn run<T: FromRedisValue>(&self, script: &str, key: &DedupeKey, token: Uuid, lasting: Duration) -> Result<T> {
        // Redis refuses times to live that overflow its clock: a century is enough.
        let millis = u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX).clamp(1, 36_500 * 24 * 60 * 60 * 1000);
        let mut command = Cmd::new();
        command.arg("EVAL").arg(script).arg(1).arg(format!("bloodbank:dedupe:{key}"));
        command.arg(token.hyphenated().to_string()).arg(millis);
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        command.query_async(&mut connection).await.map_err(|error: RedisError| {
            // The manager makes a new connection after an I/O error alone: not after silence, nor a wrong password.
            if (error.is_timeout() || !error.is_io_error())
                && let Ok(connection) = connect(&self.client)
            {
                *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = connection;
            }
            failed(error)
        })
    }
}

fn failed(error: RedisError) -> Error {
    Error::new(ErrorKind::Storage, "redis failed").with_source(error)
}

fn connect(client: &Client) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECTING))
        .set_response_timeout(Some(ANSWERING))
        .set_number_of_retries(0);
    client.get_connection_manager_lazy(config)
}

impl DedupeStore for RedisStore {
    fn describe(&self) -> String {
        format!("redis at {}", self.client.get_connection_info().addr())
    }

    fn acquire<'a>(&'a self, key: &'a DedupeKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<Acquired>> {
        Box::pin(async move {
            Ok(match self.run::<u8>(ACQUIRE, key, token, lease).await? {
                0 => Acquired::Leased,
                1 => Acquired::Done,
                _ => Acquired::Busy,
            })
        })
    }

    fn renew<'a>(&'a self, key: &'a DedupeKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.run(RENEW, key, token, lease))
    }

    fn finish<'a>(&'a self, key: &'a DedupeKey, token: Uuid, within: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.run(FINISH, key, token, within))
    }

    fn release<'a>(&'a self, key: &'a DedupeKey, token: Uuid) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.run::<bool>(RELEASE, key, token, Duration::ZERO).await.map(drop) })
    }
}
