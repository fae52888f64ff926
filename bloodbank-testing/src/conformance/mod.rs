//! One suite of properties that every transport passes.
//!
//! Whoever writes a transport says how to connect to it and which features it has; every property becomes a `#[test]`:
//!
//! ```
//! use std::sync::Arc;
//! use bloodbank_core::{Result, settings::QueueKind, transport::Transport};
//! use bloodbank_embedded::Embedded;
//! use bloodbank_testing::{conformance::Fixture, conformance_suite};
//! use futures_util::future::BoxFuture;
//!
//! struct Memory;
//!
//! impl Fixture for Memory {
//!     fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>>> {
//!         Box::pin(async { Ok(Arc::new(Embedded::in_memory()) as _) })
//!     }
//! }
//!
//! conformance_suite! {
//!     mod memory;
//!     fixture: Memory;
//!     queues: QueueKind::Quorum;
//!     features: [delivery_limit];
//! }
//! ```
//!
//! The broker may be shared: every property takes names of its own, begins them with `conformance.` and hands them to
//! [`Fixture::discard`] when it has passed. Only the ladder of delays and the dead-letter exchange are everybody's.
//!
//! A property ends when it has seen what it waits for; that something does *not* arrive is seen by what arrives instead.

mod bench;
mod delivering;
mod durability;
mod giving_up;
mod lifecycle;
mod looking;
mod messages;
mod publishing;
mod random;
mod remembering;
mod restarts;
mod settling;
mod suite;
mod topics;
mod topology;

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, ready};

pub use crate::conformance::{
    bench::Bench, delivering::*, durability::*, giving_up::*, lifecycle::*, looking::*, messages::*, publishing::*,
    remembering::dedupe_store, restarts::*, settling::*, suite::run, topics::*, topology::*,
};
use bloodbank_core::{
    Result,
    transport::{Topology, Transport},
};

/// How the suite gets at a broker.
pub trait Fixture: Send + Sync + 'static {
    /// A transport that is connected to the broker. Called again only after the transport before was closed, and
    /// only with [`Feature::Durable`].
    fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>>>;

    /// Kills the broker and starts it again with the data it had; returns when it answers.
    ///
    /// Only the properties of `restart:` call it, with transports connected.
    fn restart(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }

    /// Removes the exchanges and queues that a property declared; some are gone already. Only useful on a broker
    /// that outlives the fixture.
    fn discard(&self, declared: Topology) -> BoxFuture<'_, ()> {
        drop(declared);
        Box::pin(ready(()))
    }

    /// How long a property waits for anything before it fails.
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// What not every transport can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// A transport that connects after another was closed finds what that one left. `durable` in the list.
    Durable,
    /// The broker counts deliveries and parks what is delivered too often. `delivery_limit` in the list.
    DeliveryLimit,
}
