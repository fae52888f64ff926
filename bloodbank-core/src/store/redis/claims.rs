//! A claim store in Redis.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use redis::Pipeline;

use super::{RedisConnection, millis};
use crate::{
    error::Result,
    settings::ClaimStoreKind,
    store::{ClaimStore, Lookup},
};

const PREFIX: &str = "bloodbank:claim:";

/// A claim store in Redis, with each payload under `bloodbank:claim:{key}`: a reference from outside reaches claims and
/// nothing else.
///
/// A large payload holds up everything else on its connection: give leases and payloads a [`RedisConnection`] each.
#[derive(Debug, Clone)]
pub struct RedisClaims {
    redis: RedisConnection,
    prefix: String,
}

impl RedisClaims {
    /// Creates a store in the Redis of this connection.
    #[must_use]
    pub fn new(redis: RedisConnection) -> Self {
        Self { redis, prefix: PREFIX.to_owned() }
    }

    /// Sets the text before each key, to share payloads with a program that uses another prefix, or none. Without one,
    /// a reference from outside reaches every string of that Redis database: give the payloads a database of their own.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

impl ClaimStore for RedisClaims {
    fn kind(&self) -> ClaimStoreKind {
        ClaimStoreKind::Redis
    }

    fn put<'a>(&'a self, key: &'a str, payload: Bytes, ttl: Duration) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("SET").arg(self.key(key)).arg(&*payload).arg("PX").arg(millis(ttl)).ignore();
            self.redis.send(&pipeline).await
        })
    }

    fn get<'a>(&'a self, key: &'a str, limit: usize) -> BoxFuture<'a, Result<Lookup>> {
        Box::pin(async move {
            let key = self.key(key);
            // Reading a part of a key that is not there gives an empty text, as for an empty payload.
            let mut pipeline = Pipeline::new();
            pipeline.atomic().cmd("EXISTS").arg(&key).cmd("GETRANGE").arg(&key).arg(0).arg(limit);
            let (is_there, payload): (bool, Vec<u8>) = self.redis.send(&pipeline).await?;
            Ok(match (is_there, payload.len() > limit) {
                (false, _) => Lookup::Nothing,
                (true, true) => Lookup::TooLarge,
                (true, false) => Lookup::Payload(payload.into()),
            })
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("DEL").arg(self.key(key)).ignore();
            self.redis.send(&pipeline).await
        })
    }
}
