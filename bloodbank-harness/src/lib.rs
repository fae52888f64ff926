//! Private RabbitMQ, Redis and PostgreSQL servers for tests and benchmarks, and a network that misbehaves on request.
//!
//! Everything runs from the installed packages (`rabbitmq-server`, `redis-server`, `postgresql`) on loopback, on free
//! ports, with its data in a temporary folder. Nothing outlives the process that started it: dropping a
//! server kills it and removes its folder, and a watching shell does the same when the process dies
//! without dropping anything, `kill -9` included.
//!
//! Tests that only need a broker take the shared one and use names of their own:
//!
//! ```no_run
//! let url = bloodbank_harness::shared_rabbit_url();
//! let queue = bloodbank_harness::unique("orders");
//! # let _ = (url, queue);
//! ```
//!
//! Tests that harm the broker start their own, and may put a [`Proxy`] in front of it:
//!
//! ```no_run
//! use bloodbank_harness::{Ending, HarnessError, Proxy, RabbitMq};
//!
//! # fn main() -> Result<(), HarnessError> {
//! let rabbit = RabbitMq::start()?;
//! let proxy = Proxy::to(rabbit.port())?;
//! let url = rabbit.url_through(proxy.port());
//! // … connect to `url` …
//! proxy.cut(Ending::Reset)?;
//! rabbit.kill()?;
//! rabbit.start_again()?;
//! # let _ = url;
//! # Ok(())
//! # }
//! ```
//!
//! Every call blocks its thread until the condition it promises is met or its deadline has passed. In a
//! tokio test whose other tasks must go on meanwhile, use the multi-thread runtime or
//! `tokio::task::spawn_blocking`; all methods take `&self`, so a server fits in an `Arc`.
#![forbid(unsafe_code)]

mod cluster;
mod error;
mod names;
mod port_mapper;
mod ports;
mod postgres;
mod process;
mod proxy;
mod rabbit;
mod random;
mod redis;
mod sandbox;
mod shared;
mod wait;

pub use cluster::Cluster;
pub use error::HarnessError;
pub use names::unique;
pub use ports::Port;
pub use postgres::Postgres;
pub use proxy::{Direction, Ending, Proxy};
pub use rabbit::{RabbitMq, TlsFiles};
pub use random::Random;
pub use redis::Redis;
pub use shared::{
    POSTGRES_URL_VARIABLE, RABBIT_URL_VARIABLE, REDIS_URL_VARIABLE, shared_postgres_url, shared_rabbit_url,
    shared_redis_url,
};
pub use wait::until;
