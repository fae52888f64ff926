//! The lists of store properties, and the way one is run.

use std::time::Duration;

use tokio::runtime::Builder;

/// Longer than any property takes: the waits inside have shorter deadlines of their own.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Runs one property of a store on a runtime of its own. What
/// [`store_conformance_suite!`](crate::store_conformance_suite) expands to.
///
/// # Panics
/// When the property does not hold.
pub fn run<F>(fixture: F, name: &str, property: impl AsyncFnOnce(&F)) {
    let runtime =
        Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime needs two threads");
    runtime.block_on(async {
        let ended = tokio::time::timeout(TIMEOUT, property(&fixture)).await;
        assert!(ended.is_ok(), "`{name}` does not come to an end within {TIMEOUT:?}");
        drop(fixture);
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
}

/// Makes a module with one `#[test]` for each property of the [store contracts](crate::conformance::stores) that a backend
/// implements.
///
/// Each line names a contract and an expression that makes a fixture: `links`
/// ([`LinkStore`](bloodbank_core::store::LinkStore)),
/// `direct_links` ([`DirectLinkStore`](bloodbank_core::store::DirectLinkStore), which includes `links`), `leases`
/// ([`LeaseStore`](bloodbank_core::store::LeaseStore)), `parked_keys`
/// ([`ParkedKeys`](bloodbank_core::store::ParkedKeys)), `claims` ([`ClaimStore`](bloodbank_core::store::ClaimStore)) and
/// `journal` ([`Journal`](bloodbank_core::store::Journal)). `durable` after the fixture adds the property that a store which
/// is closed and opened again has what it had.
///
/// ```
/// # use std::sync::Arc;
/// # use bloodbank_core::{Result, store::{ClaimStore, FileClaims, LeaseStore, memory::MemoryLeases}};
/// # use bloodbank_testing::conformance::stores::StoreFixture;
/// # use futures_util::future::BoxFuture;
/// # struct Folder(std::path::PathBuf);
/// # impl Folder {
/// #     fn new() -> Self { Self("claims".into()) }
/// # }
/// # impl StoreFixture<dyn ClaimStore> for Folder {
/// #     fn open(&self) -> BoxFuture<'_, Result<Arc<dyn ClaimStore>>> {
/// #         Box::pin(async { Ok(Arc::new(FileClaims::open(&self.0)?) as _) })
/// #     }
/// # }
/// # struct Memory;
/// # impl StoreFixture<dyn LeaseStore> for Memory {
/// #     fn open(&self) -> BoxFuture<'_, Result<Arc<dyn LeaseStore>>> {
/// #         Box::pin(async { Ok(Arc::new(MemoryLeases::default()) as _) })
/// #     }
/// # }
/// bloodbank_testing::store_conformance_suite! {
///     mod my_backend;
///     claims: Folder::new(), durable;
///     leases: Memory;
/// }
/// ```
#[macro_export]
macro_rules! store_conformance_suite {
    (mod $module:ident; $($contract:ident: $fixture:expr $(, $feature:ident)*;)+) => {
        mod $module {
            #[allow(unused_imports, reason = "the fixture may be made with a full path")]
            use super::*;

            $(
                mod $contract {
                    #[allow(unused_imports, reason = "the fixture may be made with a full path")]
                    use super::*;

                    $crate::__store_conformance! { $contract ($fixture) }
                    $($crate::__store_conformance! { $contract $feature ($fixture) })*
                }
            )+
        }
    };
}

/// The properties of each contract, and those that need a feature.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_conformance {
    (links $fixture:tt) => {
        $crate::__store_conformance! { tests links $fixture
            keeps_all_that_a_link_says
            keeps_an_event_without_parents
            knows_nothing_of_strangers
            answers_in_the_order_of_the_question
            finds_events_between_two_ids
            lists_children_once_each
            replaces_a_link
            keeps_parents_when_an_event_comes_again_without
            lists_many_children
            reads_many_events_at_once
            keeps_links_that_are_written_at_once
            answers_a_probe
        }
    };
    (links durable $fixture:tt) => {
        $crate::__store_conformance! { tests links $fixture keeps_links_when_reopened }
    };
    (direct_links ($fixture:expr)) => {
        $crate::__store_conformance! { links ($crate::conformance::stores::AsLinkStore($fixture)) }
        $crate::__store_conformance! { tests direct_links ($fixture)
            shows_an_inserted_link_at_once
            misses_nothing
        }
    };
    (direct_links durable ($fixture:expr)) => {
        $crate::__store_conformance! { links durable ($crate::conformance::stores::AsLinkStore($fixture)) }
        $crate::__store_conformance! { tests direct_links ($fixture) keeps_flushed_links_when_reopened }
    };
    (leases $fixture:tt) => {
        $crate::__store_conformance! { tests leases $fixture
            leases_to_one_of_many
            remembers_what_is_done_for_its_time
            ends_a_lease_unless_it_is_renewed
            obeys_the_holder_alone
            keeps_subscribers_apart
        }
    };
    (leases durable $fixture:tt) => {
        $crate::__store_conformance! { tests leases $fixture keeps_leases_when_reopened }
    };
    (parked_keys $fixture:tt) => {
        $crate::__store_conformance! { tests parked_keys $fixture
            lets_everything_pass_where_nothing_is_parked
            keeps_the_order_of_a_line
            lets_pass_again_what_was_handled_last
            removes_what_will_not_come
            releases_a_key
            keeps_keys_and_subscribers_apart
            gives_many_a_place_at_the_same_time
        }
    };
    (parked_keys durable $fixture:tt) => {
        $crate::__store_conformance! { tests parked_keys $fixture keeps_lines_when_reopened }
    };
    (claims $fixture:tt) => {
        $crate::__store_conformance! { tests claims $fixture
            keeps_a_payload_until_it_is_removed
            replaces_a_payload
            carries_payloads_of_megabytes
            reads_no_more_than_the_limit
            ends_a_payload_with_its_time
            keeps_keys_apart
            keeps_the_longest_key
            shows_a_payload_whole_or_not_at_all
        }
    };
    (claims durable $fixture:tt) => {
        $crate::__store_conformance! { tests claims $fixture keeps_payloads_when_reopened }
    };
    (journal $fixture:tt) => {
        $crate::__store_conformance! { tests journal $fixture
            is_empty_before_the_first_message
            reads_whole_messages_oldest_first
            reads_from_an_offset
            reads_from_a_time
            reads_the_last
            queries_by_pattern
            queries_by_exchange
            queries_by_time
            queries_by_an_end
            queries_by_what_an_event_says
            follows_what_is_published_later
            has_a_floor_and_a_tip
            gets_the_newest_by_id
            ends_where_it_ended_when_reading_began
            reads_many_entries
            refuses_after_closing
        }
    };
    (journal durable $fixture:tt) => {
        $crate::__store_conformance! { tests journal $fixture keeps_entries_when_reopened }
    };
    (tests $contract:ident $fixture:tt $($property:ident)*) => {
        $(
            #[test]
            fn $property() {
                $crate::conformance::stores::run($fixture, stringify!($property), async |fixture| {
                    $crate::conformance::stores::$contract::$property(fixture).await;
                });
            }
        )*
    };
}
