use std::{env, sync::OnceLock};

use crate::{Postgres, RabbitMq, Redis};

/// The environment variable with the address of the broker that all tests of a run share.
pub const RABBIT_URL_VARIABLE: &str = "BLOODBANK_TEST_RABBIT_URL";
/// The environment variable with the address of the Redis server that all tests of a run share.
pub const REDIS_URL_VARIABLE: &str = "BLOODBANK_TEST_REDIS_URL";
/// The environment variable with the address of the PostgreSQL server that all tests of a run share.
pub const POSTGRES_URL_VARIABLE: &str = "BLOODBANK_TEST_POSTGRES_URL";

/// The address of a shared broker: the one that `scripts/test.sh` started for this run ([`RABBIT_URL_VARIABLE`]), otherwise
/// one that is started now for this process and ends with it.
///
/// Other tests use the broker at the same time: take names from [`unique`](crate::unique), delete your queues, and
/// do not stop, pause or reconfigure the broker. Start a [`RabbitMq`] for that.
///
/// # Panics
///
/// When no broker can be started; the message says what to install. A test is never skipped for it.
pub fn shared_rabbit_url() -> String {
    static BROKER: OnceLock<RabbitMq> = OnceLock::new();
    given(RABBIT_URL_VARIABLE).unwrap_or_else(|| BROKER.get_or_init(|| started(RabbitMq::start())).url())
}

/// The address of a shared Redis server: the one that `scripts/test.sh` started for this run ([`REDIS_URL_VARIABLE`]),
/// otherwise one that is started now for this process and ends with it.
///
/// Other tests use the server at the same time: take keys from [`unique`](crate::unique) and do not flush the database.
///
/// # Panics
///
/// When no server can be started; the message says what to install. A test is never skipped for it.
pub fn shared_redis_url() -> String {
    static SERVER: OnceLock<Redis> = OnceLock::new();
    given(REDIS_URL_VARIABLE).unwrap_or_else(|| SERVER.get_or_init(|| started(Redis::start())).url())
}

/// The address of a shared PostgreSQL server: the one that `scripts/test.sh` started for this run
/// ([`POSTGRES_URL_VARIABLE`]), otherwise one that is started now for this process and ends with it.
///
/// Other tests use the server at the same time: create a database or a schema of your own, with a name from
/// [`unique`](crate::unique).
///
/// # Panics
///
/// When no server can be started; the message says what to install. A test is never skipped for it.
pub fn shared_postgres_url() -> String {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    given(POSTGRES_URL_VARIABLE).unwrap_or_else(|| SERVER.get_or_init(|| started(Postgres::start())).url())
}

fn given(variable: &str) -> Option<String> {
    env::var(variable).ok().filter(|url| !url.is_empty())
}

fn started<S>(server: Result<S, crate::HarnessError>) -> S {
    server.unwrap_or_else(|error| panic!("this test needs a server: {error}"))
}
