//! Redis passes the conformance suites of the store contracts.

use std::sync::Arc;

use bloodbank_core::{
    Result, Settings,
    store::{
        ClaimStore, LeaseStore, LinkStore, ParkedKeys,
        redis::{RedisClaims, RedisConnection, RedisLeases, RedisLinks, RedisParkedKeys},
    },
};
use bloodbank_testing::{conformance::stores::StoreFixture, store_conformance_suite};
use futures_util::future::BoxFuture;

/// The Redis of all tests; claims under a prefix of their own.
struct Redis {
    url: String,
    prefix: String,
}

impl Redis {
    fn shared() -> Self {
        Self { url: bloodbank_harness::shared_redis_url(), prefix: bloodbank_harness::unique("claim") }
    }

    fn connection(&self) -> Result<RedisConnection> {
        RedisConnection::new(&self.url.clone().into())
    }
}

impl StoreFixture<dyn LinkStore> for Redis {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn LinkStore>>> {
        Box::pin(async { Ok(Arc::new(RedisLinks::new(self.connection()?, Settings::default().correlation_ttl)) as _) })
    }
}

impl StoreFixture<dyn LeaseStore> for Redis {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn LeaseStore>>> {
        Box::pin(async { Ok(Arc::new(RedisLeases::new(self.connection()?)) as _) })
    }
}

impl StoreFixture<dyn ParkedKeys> for Redis {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn ParkedKeys>>> {
        Box::pin(async { Ok(Arc::new(RedisParkedKeys::new(self.connection()?)) as _) })
    }
}

impl StoreFixture<dyn ClaimStore> for Redis {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn ClaimStore>>> {
        Box::pin(async { Ok(Arc::new(RedisClaims::new(self.connection()?).prefix(&self.prefix)) as _) })
    }
}

store_conformance_suite! {
    mod redis;
    links: Redis::shared(), durable;
    leases: Redis::shared(), durable;
    parked_keys: Redis::shared(), durable;
    claims: Redis::shared(), durable;
}
