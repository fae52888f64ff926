//! The conformance suite notices faults: every property, which holds on the embedded bus, fails on the same bus with each of
//! the faults that it is there for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::faulty::{Fault, Faulty};
use bloodbank_core::settings::QueueKind;
use bloodbank_testing::conformance::{self, Feature};

macro_rules! notices {
    ($($property:ident: $($fault:ident)*;)*) => {
        $(
            #[test]
            fn $property() {
                for fault in [$(Fault::$fault),*] {
                    let run = || {
                        conformance::run(
                            Faulty::new(fault),
                            QueueKind::Quorum,
                            FEATURES,
                            stringify!($property),
                            conformance::properties::$property,
                        );
                    };
                    let noticed = catch_unwind(AssertUnwindSafe(run)).is_err();
                    assert!(noticed, "`{}` does not notice {fault:?}", stringify!($property));
                }
            }
        )*
    };
}

const FEATURES: &[Feature] = &[Feature::DeliveryLimit];

notices! {
    keeps_payload_headers_and_properties: LosesHeaders LosesExpiration InventsAProperty;
    keeps_the_properties_of_foreign_messages: InventsAProperty;
    keeps_what_is_absent_absent: InventsAProperty;
    carries_bodies_of_megabytes: CutsBodies;
    publishes_in_the_order_of_the_caller: ReordersSome LosesSome PublishesSomeTwice;
    reports_what_no_queue_receives: SaysNothingOfUnrouted SaysAlwaysUnrouted;
    refuses_when_the_queue_is_full: ConfirmsWhatIsRefused IgnoresLimits;
    survives_dropped_publishes: PublishesSomeTwice LosesSome;
    survives_a_missing_exchange: FallsOverAMissingExchange;
    delivers_each_message_once_to_many_consumers: DeliversTwice LosesSome PublishesSomeTwice;
    keeps_many_topics_apart: BindsEverything LosesSome ReordersSome;
    isolates_similar_topics: BindsEverything;
    keeps_the_order_of_one_queue: ReordersSome LosesSome;
    serves_groups_of_consumers: DeliversTwice LosesSome;
    keeps_messages_for_a_later_subscriber: LosesSome DeliversTwice;
    sends_again_what_is_rejected: RequeueAcknowledges NeverSaysRedelivered;
    brings_back_a_dropped_delivery: RequeueAcknowledges NeverSaysRedelivered;
    waits_for_the_ack_with_prefetch_one: IgnoresPrefetch;
    continues_after_errors: EndsAfterARejection RejectAcknowledges RequeueAcknowledges;
    acknowledges_in_any_order: AcknowledgesAllBefore ForgetsAcks;
    settles_after_the_subscription: SettlesNothingAfterTheSubscription RejectAcknowledges;
    settles_after_closing_without_harm: PanicsAfterClosing NeverEndsDeliveries;
    continues_after_a_subscriber_closes: RequeueAcknowledges LosesSome;
    survives_cancellation: LosesSome NeverSaysRedelivered;
    closes_once_for_all: DoesNotClose NeverEndsDeliveries;
    forgets_a_transient_queue_with_its_consumer: KeepsTransientQueues;
    declares_again_what_is_equal: RefusesWhatExists;
    declares_what_a_subscriber_needs: BindsByEquality IgnoresDeadLetters;
    refuses_other_properties: ReplacesWhatExists;
    refuses_to_consume_what_is_missing: ReplacesWhatExists;
    looks_at_foreign_queues_and_declares_nothing_of_them: IgnoresForeignQueues;
    delivers_messages_of_a_higher_priority_first: IgnoresPriorities;
    delivers_to_one_consumer_at_a_time_and_in_order: IgnoresSingleActive;
    routes_by_the_table: ReadsHashAsStar BindsByEquality BindsEverything;
    routes_random_keys_as_the_matcher_does: ReadsHashAsStar BindsByEquality;
    sends_rejected_messages_to_the_dead_letter_exchange: IgnoresDeadLetters RejectAcknowledges;
    drops_rejected_messages_without_a_dead_letter_exchange: RejectRequeues;
    expires_messages: LosesExpiration IgnoresDeadLetters;
    delays_and_returns_to_one_queue: DelaysTooShort IgnoresDeadLetters;
    browses_a_queue_and_leaves_it_as_it_is: BrowsingConsumes;
    compares_a_topology_and_changes_nothing: ComparingDeclares;
    keeps_what_was_confirmed: LosesSome ForgetsAcks;
    closes_under_load: LosesSome;
    parks_what_is_rejected_too_often: IgnoresLimits IgnoresDeadLetters;
    parks_what_ends_its_consumer_too_often: IgnoresLimits IgnoresDeadLetters;
    reconnects_and_loses_nothing: LosesEverythingAfterARestart;
    settles_across_a_restart_without_harm: ForgetsAcks;
}
