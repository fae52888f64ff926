//! Conformance suites: properties that every transport passes, and those of every [store](stores).
//!
//! The author of a transport says how to connect to it and which features it has; every property becomes a `#[test]`:
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
mod browsing;
mod dead_lettering;
mod delivering;
mod durability;
mod lifecycle;
mod messages;
mod priorities;
mod publishing;
mod restarts;
mod settling;
mod single_active;
pub mod stores;
mod suite;
mod topics;
mod topology;

use std::{sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, ready};

pub use crate::conformance::{bench::Bench, suite::run};
use bloodbank_core::{
    Result,
    transport::{Topology, Transport},
};

/// Connects to the broker under test, restarts it and cleans up after a property.
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

    /// The time that a property waits for one thing before it fails: one minute by default.
    fn timeout(&self) -> Duration {
        Duration::from_secs(60)
    }
}

/// Abilities that not every transport has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// A transport that connects after another was closed finds what that one left. `durable` in the list.
    Durable,
    /// The broker counts deliveries and parks what is delivered too often. `delivery_limit` in the list.
    DeliveryLimit,
}

/// Properties of a transport, one function each; [`run`] runs one.
pub mod properties {
    pub use super::{
        browsing::{browses_a_queue_and_leaves_it_as_it_is, compares_a_topology_and_changes_nothing},
        dead_lettering::{
            delays_and_returns_to_one_queue, drops_rejected_messages_without_a_dead_letter_exchange, expires_messages,
            parks_what_ends_its_consumer_too_often, parks_what_is_rejected_too_often,
            sends_rejected_messages_to_the_dead_letter_exchange,
        },
        delivering::{
            delivers_each_message_once_to_many_consumers, isolates_similar_topics, keeps_many_topics_apart,
            keeps_messages_for_a_later_subscriber, keeps_the_order_of_one_queue, serves_groups_of_consumers,
        },
        durability::{closes_under_load, keeps_what_was_confirmed},
        lifecycle::{
            closes_once_for_all, continues_after_a_subscriber_closes, forgets_a_transient_queue_with_its_consumer,
            survives_cancellation,
        },
        messages::{
            carries_bodies_of_megabytes, keeps_payload_headers_and_properties,
            keeps_the_properties_of_foreign_messages, keeps_what_is_absent_absent,
        },
        priorities::delivers_messages_of_a_higher_priority_first,
        publishing::{
            publishes_in_the_order_of_the_caller, refuses_when_the_queue_is_full, reports_what_no_queue_receives,
            survives_a_missing_exchange, survives_dropped_publishes,
        },
        restarts::{reconnects_and_loses_nothing, settles_across_a_restart_without_harm},
        settling::{
            acknowledges_in_any_order, brings_back_a_dropped_delivery, continues_after_errors,
            sends_again_what_is_rejected, settles_after_closing_without_harm, settles_after_the_subscription,
            waits_for_the_ack_with_prefetch_one,
        },
        single_active::delivers_to_one_consumer_at_a_time_and_in_order,
        topics::{routes_by_the_table, routes_random_keys_as_the_matcher_does},
        topology::{
            declares_again_what_is_equal, declares_what_a_subscriber_needs,
            looks_at_foreign_queues_and_declares_nothing_of_them, refuses_other_properties,
            refuses_to_consume_what_is_missing,
        },
    };
}
