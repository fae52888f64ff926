//! Stores in Redis, over one connection.

mod address;
mod claims;
mod codec;
mod leases;
mod links;
mod parked_keys;

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use redis::{
    Client, FromRedisValue, Pipeline, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::SecretString;

pub use claims::RedisClaims;
pub use leases::RedisLeases;
pub use links::RedisLinks;
pub use parked_keys::RedisParkedKeys;

use crate::{
    error::{Error, ErrorKind, Result},
    settings::{Settings, TlsFiles},
};

/// The time limit for making a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The time limit for an answer. Writes beside a publish and leases have a shorter deadline of their own; this one is
/// for wide levels of a trace and for large payloads.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to a Redis, shared by the stores that are made from it. Cheap to clone.
#[derive(Clone)]
pub struct RedisConnection(Arc<Inner>);

struct Inner {
    client: Client,
    connection: Mutex<ConnectionManager>,
}

impl RedisConnection {
    /// Creates a connection to the Redis at this address. It is made when it is first used; call this within a tokio
    /// runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when it is no address of a Redis.
    pub fn new(url: &SecretString) -> Result<Self> {
        Self::with_client(address::client(url, None)?)
    }

    /// Creates a connection to the Redis of the settings, with their certificates; `None`: the settings name no Redis.
    ///
    /// # Errors
    /// Like [`RedisConnection::new`], and when a certificate cannot be read.
    pub fn from_settings(settings: &Settings) -> Result<Option<Self>> {
        let Some(url) = &settings.redis_url else { return Ok(None) };
        Self::with_client(address::client(url, Some(TlsFiles::read(settings)?))?).map(Some)
    }

    fn with_client(client: Client) -> Result<Self> {
        let connection = Mutex::new(connect(&client).map_err(|error| failed(&client, error))?);
        Ok(Self(Arc::new(Inner { client, connection })))
    }

    /// Sends commands in one round trip and reads their answers.
    async fn send<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T> {
        let mut connection = self.0.connection.lock().clone();
        pipeline.query_async(&mut connection).await.map_err(|error: RedisError| {
            // The manager makes a new connection after an I/O error alone: not after silence, nor a wrong password.
            if (error.is_timeout() || !error.is_io_error())
                && let Ok(connection) = connect(&self.0.client)
            {
                *self.0.connection.lock() = connection;
            }
            self.failed(error)
        })
    }

    /// Sends commands over a new connection, which replaces the old one if they succeed: the old one may be half open,
    /// or have been refused.
    async fn send_anew(&self, pipeline: &Pipeline) -> Result<()> {
        let mut connection = connect(&self.0.client).map_err(|error| self.failed(error))?;
        pipeline.exec_async(&mut connection).await.map_err(|error| self.failed(error))?;
        *self.0.connection.lock() = connection;
        Ok(())
    }

    fn failed(&self, error: impl Into<RedisError>) -> Error {
        failed(&self.0.client, error)
    }
}

fn connect(client: &Client) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        .set_response_timeout(Some(RESPONSE_TIMEOUT))
        .set_number_of_retries(0);
    client.get_connection_manager_lazy(config)
}

fn failed(client: &Client, error: impl Into<RedisError>) -> Error {
    let address = client.get_connection_info().addr().to_string();
    Error::new(ErrorKind::Storage, format!("redis at {address} failed")).with_source(error.into())
}

/// A time to live as Redis takes it, in milliseconds. Redis refuses those that overflow its clock: a century is enough.
fn millis(lasting: Duration) -> u64 {
    const CENTURY: u64 = 36_500 * 24 * 60 * 60 * 1000;
    u64::try_from(lasting.as_millis()).unwrap_or(u64::MAX).clamp(1, CENTURY)
}

/// Writes the host and the port, without user and password.
impl fmt::Display for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "redis at {}", self.0.client.get_connection_info().addr())
    }
}

impl fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Redis").field(&format_args!("{self}")).finish()
    }
}
