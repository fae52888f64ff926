//! The conformance suites of the stores notice faults: every property, which holds on the stores that there are, fails on a
//! store with each of the faults that it is there for.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::faulty_stores::{
    Faulty, claims::ClaimFault, journal::JournalFault, leases::LeaseFault, links::LinkFault, parked_keys::LineFault,
};
use bloodbank_testing::conformance::stores::{self, AsLinkStore};

macro_rules! notices {
    ($contract:ident, $fault:ident, $fixture:expr; $($property:ident: $($kind:ident)*;)*) => {
        mod $contract {
            use super::*;

            $(
                #[test]
                fn $property() {
                    for fault in [$($fault::$kind),*] {
                        let run = || {
                            stores::run($fixture(Faulty::new(fault)), stringify!($property), async |fixture| {
                                stores::$contract::$property(fixture).await;
                            });
                        };
                        let noticed = catch_unwind(AssertUnwindSafe(run)).is_err();
                        assert!(noticed, "`{}` does not notice {fault:?}", stringify!($property));
                    }
                }
            )*
        }
    };
}

notices! {
    links, LinkFault, AsLinkStore;
    keeps_all_that_a_link_says: SortsParents LosesMetadata RoundsTimes LosesSome;
    keeps_an_event_without_parents: LosesRoots;
    knows_nothing_of_strangers: InventsEntries;
    answers_in_the_order_of_the_question: SortsAnswers SkipsStrangers;
    finds_events_between_two_ids: LosesSome FindsNoParents FindsTooMuch;
    lists_children_once_each: RepeatsChildren;
    replaces_a_link: KeepsTheFirst;
    keeps_parents_when_an_event_comes_again_without: ErasesParents;
    lists_many_children: CutsChildren;
    reads_many_events_at_once: CutsAnswers;
    keeps_links_that_are_written_at_once: LosesSome;
    answers_a_probe: FailsItsProbe HasAnotherClock;
    keeps_links_when_reopened: ForgetsWhenReopened;
}

notices! {
    direct_links, LinkFault, std::convert::identity;
    shows_an_inserted_link_at_once: InsertsLate;
    misses_nothing: SaysItMissed;
    keeps_flushed_links_when_reopened: ForgetsWhenReopened;
}

notices! {
    leases, LeaseFault, std::convert::identity;
    leases_to_one_of_many: LeasesToAll;
    remembers_what_is_done_for_its_time: ForgetsWhatIsDone NeverEnds;
    ends_a_lease_unless_it_is_renewed: NeverEnds IgnoresRenewals RenewsForAll FinishesForAll;
    obeys_the_holder_alone: ReleasesForAll RenewsForAll RefusesLateFinishes;
    keeps_subscribers_apart: IgnoresQueues;
    keeps_leases_when_reopened: ForgetsWhenReopened;
}

notices! {
    parked_keys, LineFault, std::convert::identity;
    lets_everything_pass_where_nothing_is_parked: ParksWhoeverAsks;
    keeps_the_order_of_a_line: OnlyAsks MovesToTheEnd StaysInLine CountsBackwards;
    lets_pass_again_what_was_handled_last: ForgetsWhoWasHandled StaysInLine LosesItsPlace;
    removes_what_will_not_come: RemovesOnlyTheFirst RemovesAsHandled;
    releases_a_key: ReleasesNothing ReleasesTheQueue;
    keeps_keys_and_subscribers_apart: IgnoresQueues IgnoresCase TrimsKeys;
    gives_many_a_place_at_the_same_time: OnlyAsks;
    keeps_lines_when_reopened: ForgetsWhenReopened;
}

notices! {
    claims, ClaimFault, std::convert::identity;
    keeps_a_payload_until_it_is_removed: KeepsWhatIsRemoved TrimsPayloads;
    replaces_a_payload: KeepsTheFirst KeepsTheFirstTime;
    carries_payloads_of_megabytes: CutsPayloads;
    reads_no_more_than_the_limit: IgnoresLimits RefusesTheLimit;
    ends_a_payload_with_its_time: NeverEnds;
    keeps_keys_apart: IgnoresCase TrimsKeys;
    keeps_the_longest_key: CutsKeys;
    shows_a_payload_whole_or_not_at_all: WritesInParts;
    keeps_payloads_when_reopened: ForgetsWhenReopened;
}

notices! {
    journal, JournalFault, std::convert::identity;
    is_empty_before_the_first_message: InventsATip;
    reads_whole_messages_oldest_first: NewestFirst LosesHeaders;
    reads_from_an_offset: BeginsAfterTheOffset IgnoresOffsets;
    reads_from_a_time: IgnoresTimes;
    reads_the_last: CountsBeforeTheQuery NewestFirst;
    queries_by_pattern: IgnoresPatterns MatchesRoutingKeys;
    queries_by_exchange: IgnoresExchanges;
    queries_by_time: IgnoresSince;
    queries_by_an_end: IgnoresUntil IgnoresBefore;
    queries_by_what_an_event_says: IgnoresTypes IgnoresSources IgnoresCauses IgnoresIds IgnoresTexts;
    follows_what_is_published_later: ReadsInsteadOfFollowing FollowsFromTheStart IgnoresPatterns;
    has_a_floor_and_a_tip: InventsATip;
    gets_the_newest_by_id: GetsTheOldest;
    ends_where_it_ended_when_reading_began: Follows;
    reads_many_entries: ReadsOnePage;
    refuses_after_closing: ReadsAfterClosing EndsInsteadOfAnError;
    keeps_entries_when_reopened: Renumbers;
}
