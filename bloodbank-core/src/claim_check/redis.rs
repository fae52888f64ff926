//! Payloads in Redis.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use redis::{
    Client, Pipeline, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::SecretString;

use super::{CacheType, ClaimStore, Found};
use crate::{
    error::{Error, ErrorKind, Result},
    tls::redis_client,
};

const PREFIX: &str = "bloodbank:claim:";
/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(1);
/// How long an answer may take, with a payload in it.
const ANSWERING: Duration = Duration::from_secs(10);

/// Payloads in Redis, each under `bloodbank:claim:{key}`: a reference from outside reaches claims and nothing else.
pub struct RedisStore {
    client: Client,
    connection: Mutex<ConnectionManager>,
    prefix: String,
}

impl RedisStore {
    /// A store in the Redis at this address. It connects when it is first used; call this within a tokio runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when the address is none.
    pub fn new(url: &SecretString) -> Result<Self> {
        Self::with_client(redis_client(url, None)?)
    }

    pub(super) fn with_client(client: Client) -> Result<Self> {
        let connection =
            connect(&client).map_err(|error| Error::new(ErrorKind::Storage, "redis failed").with_source(error))?;
        Ok(Self { client, connection: Mutex::new(connection), prefix: PREFIX.to_owned() })
    }

    /// What stands before each key, to share payloads with a program that uses another prefix, or none. Without one, a
    /// reference from outside reaches every string of that Redis database: give the payloads a database of their own.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    async fn send<T: redis::FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        pipeline.query_async(&mut connection).await.map_err(|error: RedisError| {
            // The manager makes a new connection after an I/O error alone: not after silence.
            if error.is_timeout()
                && let Ok(connection) = connect(&self.client)
            {
                *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = connection;
            }
            Error::new(ErrorKind::Storage, "redis failed").with_source(error)
        })
    }
}

fn connect(client: &Client) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECTING))
        .set_response_timeout(Some(ANSWERING))
        .set_number_of_retries(1);
    client.get_connection_manager_lazy(config)
}

impl ClaimStore for RedisStore {
    fn cache_type(&self) -> CacheType {
        CacheType::Redis
    }

    fn put<'a>(&'a self, key: &'a str, payload: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST_TTL);
            let mut pipeline = Pipeline::new();
            pipeline.cmd("SET").arg(self.key(key)).arg(&*payload).arg("PX").arg(millis).ignore();
            self.send(&pipeline).await
        })
    }

    fn get<'a>(&'a self, key: &'a str, limit: usize) -> BoxFuture<'a, Result<Found>> {
        Box::pin(async move {
            let key = self.key(key);
            // Reading a part of a key that is not there gives an empty text, as for an empty payload.
            let mut pipeline = Pipeline::new();
            pipeline.atomic().cmd("EXISTS").arg(&key).cmd("GETRANGE").arg(&key).arg(0).arg(limit);
            let (is_there, payload): (bool, Vec<u8>) = self.send(&pipeline).await?;
            Ok(match (is_there, payload.len() > limit) {
                (false, _) => Found::Nothing,
                (true, true) => Found::TooLarge,
                (true, false) => Found::Payload(payload.into()),
            })
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("DEL").arg(self.key(key)).ignore();
            self.send(&pipeline).await
        })
    }
}

/// A century, in milliseconds; Redis refuses times to live that overflow its clock.
const LONGEST_TTL: u64 = 36_500 * 24 * 60 * 60 * 1000;
