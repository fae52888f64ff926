//! A lease store in Redis.

use std::time::Duration;

use futures_util::future::BoxFuture;
use redis::{FromRedisValue, Pipeline};
use uuid::Uuid;

use super::{RedisConnection, millis};
use crate::{
    error::Result,
    store::{Acquired, LeaseKey, LeaseStore},
};

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

/// A lease store in Redis, under `bloodbank:dedupe:{queue}:{event_id}`; each key expires by itself.
///
/// Events that Redis loses, by a crash without persistence or because it evicts, may be handled twice.
#[derive(Debug, Clone)]
pub struct RedisLeases(RedisConnection);

impl RedisLeases {
    /// Creates a store in the Redis of this connection.
    #[must_use]
    pub fn new(redis: RedisConnection) -> Self {
        Self(redis)
    }

    async fn run<T: FromRedisValue>(&self, script: &str, key: &LeaseKey, token: Uuid, lasting: Duration) -> Result<T> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.cmd("EVAL").arg(script).arg(1).arg(format!("bloodbank:dedupe:{key}"));
        pipeline.arg(token.hyphenated().to_string()).arg(millis(lasting));
        let (answer,) = self.0.send(&pipeline).await?;
        Ok(answer)
    }
}

impl LeaseStore for RedisLeases {
    fn describe(&self) -> String {
        self.0.to_string()
    }

    fn acquire<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<Acquired>> {
        Box::pin(async move {
            Ok(match self.run::<u8>(ACQUIRE, key, token, lease).await? {
                0 => Acquired::Leased,
                1 => Acquired::Done,
                _ => Acquired::Busy,
            })
        })
    }

    fn renew<'a>(&'a self, key: &'a LeaseKey, token: Uuid, lease: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.run(RENEW, key, token, lease))
    }

    fn finish<'a>(&'a self, key: &'a LeaseKey, token: Uuid, within: Duration) -> BoxFuture<'a, Result<bool>> {
        Box::pin(self.run(FINISH, key, token, within))
    }

    fn release<'a>(&'a self, key: &'a LeaseKey, token: Uuid) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.run::<bool>(RELEASE, key, token, Duration::ZERO).await.map(drop) })
    }
}
