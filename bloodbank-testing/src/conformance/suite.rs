//! The list of properties, and how one is run.

use std::{sync::Arc, time::Duration};

use tokio::runtime::Builder;

use crate::conformance::{Bench, Feature, Fixture};
use bloodbank_core::settings::QueueKind;

/// Runs one property on a runtime of its own. What [`conformance_suite!`](crate::conformance_suite) expands to.
///
/// # Panics
/// When the property does not hold.
pub fn run(
    fixture: impl Fixture,
    kind: QueueKind,
    features: &[Feature],
    name: &str,
    property: impl AsyncFnOnce(&mut Bench),
) {
    let runtime =
        Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime needs two threads");
    // Every wait inside has its own, shorter deadline; this one is for loops that make progress but no end.
    let deadline = fixture.timeout() * 5;
    runtime.block_on(async {
        let mut bench = Bench::open(Arc::new(fixture), kind, features, name).await;
        let ended = tokio::time::timeout(deadline, property(&mut bench)).await;
        assert!(ended.is_ok(), "`{name}` does not come to an end within {deadline:?}");
        bench.finish().await;
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

/// Makes a module with one `#[test]` for each property of the [suite](crate::conformance).
///
/// `features` lists what the transport can do beyond what all can: `durable`, `delivery_limit`. A property that needs a
/// feature which is not listed is no test. `restart:` adds the properties that kill the broker; its
/// fixture has a broker of its own.
///
/// ```
/// # use std::sync::Arc;
/// # use bloodbank_core::{Result, settings::QueueKind, transport::Transport};
/// # use bloodbank_embedded::Embedded;
/// # use bloodbank_testing::conformance::Fixture;
/// # use futures_util::future::BoxFuture;
/// # struct Broker;
/// # impl Broker {
/// #     fn shared() -> Self { Self }
/// #     fn own() -> Self { Self }
/// # }
/// # impl Fixture for Broker {
/// #     fn connect(&self) -> BoxFuture<'_, Result<Arc<dyn Transport>>> {
/// #         Box::pin(async { Ok(Arc::new(Embedded::in_memory()) as _) })
/// #     }
/// # }
/// bloodbank_testing::conformance_suite! {
///     mod quorum;
///     fixture: Broker::shared();
///     queues: QueueKind::Quorum;
///     features: [durable, delivery_limit];
///     restart: Broker::own();
/// }
/// ```
#[macro_export]
macro_rules! conformance_suite {
    (
        mod $module:ident;
        fixture: $fixture:expr;
        queues: $kind:expr;
        features: [$($feature:ident),* $(,)?];
        $(restart: $own:expr;)?
    ) => {
        mod $module {
            #[allow(unused_imports, reason = "the fixture may be made with a full path")]
            use super::*;

            const FEATURES: &[$crate::conformance::Feature] = &[$($crate::__conformance!(feature $feature)),*];
            $crate::__conformance! { always ($fixture) ($kind) }
            $($crate::__conformance! { $feature ($fixture) ($kind) })*
            $($crate::__conformance! { restart ($own) ($kind) })?
        }
    };
}

/// The properties, by what they need.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance {
    (feature durable) => { $crate::conformance::Feature::Durable };
    (feature delivery_limit) => { $crate::conformance::Feature::DeliveryLimit };
    (always $fixture:tt $kind:tt) => {
        $crate::__conformance! { tests $fixture $kind
            keeps_payload_headers_and_properties
            keeps_the_properties_of_foreign_messages
            keeps_what_is_absent_absent
            carries_bodies_of_megabytes
            publishes_in_the_order_of_the_caller
            reports_what_no_queue_receives
            refuses_when_the_queue_is_full
            survives_dropped_publishes
            survives_a_missing_exchange
            delivers_each_message_once_to_many_consumers
            keeps_many_topics_apart
            isolates_similar_topics
            keeps_the_order_of_one_queue
            serves_groups_of_consumers
            keeps_messages_for_a_later_subscriber
            sends_again_what_is_rejected
            brings_back_a_dropped_delivery
            waits_for_the_ack_with_prefetch_one
            continues_after_errors
            acknowledges_in_any_order
            settles_after_the_subscription
            settles_after_closing_without_harm
            continues_after_a_subscriber_closes
            survives_cancellation
            closes_once_for_all
            forgets_a_transient_queue_with_its_consumer
            declares_again_what_is_equal
            declares_what_a_subscriber_needs
            refuses_other_properties
            refuses_to_consume_what_is_missing
            looks_at_foreign_queues_and_declares_nothing_of_them
            routes_by_the_table
            routes_random_keys_as_the_matcher_does
            sends_rejected_messages_to_the_dead_letter_exchange
            drops_rejected_messages_without_a_dead_letter_exchange
            expires_messages
            delivers_messages_of_a_higher_priority_first
            delivers_to_one_consumer_at_a_time_and_in_order
            delays_and_returns_to_one_queue
            browses_a_queue_and_leaves_it_as_it_is
            compares_a_topology_and_changes_nothing
        }
    };
    (durable $fixture:tt $kind:tt) => {
        $crate::__conformance! { tests $fixture $kind
            keeps_what_was_confirmed
            closes_under_load
        }
    };
    (delivery_limit $fixture:tt $kind:tt) => {
        $crate::__conformance! { tests $fixture $kind
            parks_what_is_rejected_too_often
            parks_what_ends_its_consumer_too_often
        }
    };
    (restart $fixture:tt $kind:tt) => {
        $crate::__conformance! { tests $fixture $kind
            reconnects_and_loses_nothing
            settles_across_a_restart_without_harm
        }
    };
    (tests $fixture:tt $kind:tt $($property:ident)*) => {
        $(
            #[test]
            fn $property() {
                $crate::conformance::run(
                    $fixture,
                    $kind,
                    FEATURES,
                    stringify!($property),
                    $crate::conformance::properties::$property,
                );
            }
        )*
    };
}
