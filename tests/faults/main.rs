//! The fault suite: publishers and consumers are processes of their own, the broker, the network, Redis and the processes
//! themselves are killed, frozen and cut, and a ledger knows what was confirmed and what was handled.
//!
//! The short form runs with the other tests; `scripts/faults.sh` runs the long one.
//!
//! Where each fault is: `R` a `RabbitFault`, `F` a `FileFault`, `E` a `Fate` of one event, which
//! comes among the others all the time; else the file and the test. Names without a file are of this one.
//!
//! | fault | on RabbitMQ | on a file |
//! |---|---|---|
//! | broker killed | R `BrokerKilled`, `amqp::killing_the_broker_under_load_loses_nothing` | F `ProcessKilled`, `embedded_file::kill` |
//! | … with events in a delay | E `FailsOnce`, `a_killed_broker_keeps_what_waits_for_its_retry` | E `FailsOnce`, `embedded_file::restart::delays_go_on` |
//! | broker restarted | R `BrokerRestarted`, conformance `reconnects_and_loses_nothing` | F `ProcessTerminated` |
//! | SIGSTOP, short and longer than two heartbeats | R `BrokerFrozenForAMoment`, `BrokerFrozenForLong`, `amqp::a_frozen_broker_is_noticed_and_left` | F `ProcessFrozen` |
//! | connections closed by the operator | R `ConnectionsClosedByTheOperator`, `amqp::the_operator_closes_the_connections` | |
//! | RST, FIN | R `ConnectionsReset`, `ConnectionsEnded` | |
//! | cut in a frame, before a confirm, before an ack | R `ConnectionsCutAfterSomeBytes`, `amqp::cutting_the_network_under_load_loses_nothing` | |
//! | half open | R `NetworkHalfOpen`, `NetworkSilentForLong` | |
//! | garbage | R `NetworkGarbled`, `amqp::acknowledgements_that_never_arrive_are_noticed`, `bloodbank-fuzz` | |
//! | 1 KB/s | R `NetworkSlow` | |
//! | memory alarm | R `BrokerOutOfMemory`, `amqp::a_broker_that_accepts_nothing_makes_publishers_wait_but_not_consumers` | |
//! | disk full | | F `DiskFull`, `DiskFullAndProcessKilled`, `embedded_file::kill::a_file_that_may_not_grow_refuses_and_recovers` |
//! | queue full (`reject-publish`) | R `QueueFull`, `amqp_publish::a_full_queue_refuses` | conformance `refuses_when_the_queue_is_full` |
//! | queue deleted, consumer cancelled by the server | R `QueueDeleted`, `amqp_consume::a_deleted_queue_is_declared_and_consumed_again` | |
//! | consumer timeout | R `ConsumerTimeout` | |
//! | channel error in a full window | R `ChannelError`, `amqp_publish::only_the_message_to_a_missing_exchange_fails` | |
//! | 406 | `dead_letters::every_conflict_is_named_when_an_app_starts`, `amqp_topology::a_conflict_shows_both_sides_and_the_remedy` | conformance `refuses_other_properties` |
//! | publisher killed | R `PublisherKilled` | F `ProcessKilled` |
//! | publish future dropped | one publish of fifty, `amqp_publish::a_caller_that_gives_up_disturbs_nobody` | one of fifty, conformance `survives_dropped_publishes` |
//! | consumer killed, also while it retries | R `ConsumerKilled` with E `FailsOnce` | F `ProcessKilled` |
//! | … in the handler, between follow-up and ack | E `KillsInTheHandler`, `KillsBeforeTheAck` | the same |
//! | … again and again | R `ConsumersKilledAgainAndAgain`, `PoisonThatKills` | F `ProcessKilledAgainAndAgain`, `PoisonThatKills` |
//! | SIGTERM under load, rolling restart of three | R `ConsumersRestartedOneByOne` | F `ProcessTerminated` |
//! | … of three that share partitions | `a_rolling_restart_keeps_the_order` | |
//! | handler panics, hangs, is refused | E `Panics`, `Hangs`, `Refused` | the same |
//! | handler overflows the stack, takes all memory | E `OverflowsTheStack`, `TakesAllMemory` | the same |
//! | 10,000 poisonous events among 100,000 | `ten_thousand_poisonous_events_are_parked` | |
//! | Redis killed, frozen, slow, cut off | R `RedisKilled`, `RedisFrozen`, `RedisSlow`, `RedisCutOff`, `dedupe::an_outage_follows_the_policy` | |
//! | Redis out of memory, FLUSHALL | R `RedisOutOfMemory`, `RedisEmptied`, `correlation_outages::redis_is_out_of_memory` | |
//! | a lease that ends in the handler | `dedupe::a_lease_that_ends_in_the_handler_leads_to_a_second_call_and_to_no_third` | the same |
//! | two redrives at once, and one that is dropped | R `DeadLettersRedriven`, `dead_letters::two_redrives_at_once_neither_double_nor_lose` | F `DeadLettersRedriven` |
//!
//! The properties that every transport passes, in `bloodbank_testing::conformance`:
//!
//! | property | function |
//! |---|---|
//! | payload and headers arrive | `keeps_payload_headers_and_properties`, `keeps_what_is_absent_absent` |
//! | 5,000 messages, 50 consumers | `delivers_each_message_once_to_many_consumers` |
//! | 20 topics of 100 | `keeps_many_topics_apart`, `isolates_similar_topics` |
//! | sent again after an error, and on | `sends_again_what_is_rejected`, `continues_after_errors` |
//! | no ack blocks the next | `waits_for_the_ack_with_prefetch_one` |
//! | others close | `continues_after_a_subscriber_closes`, `closes_once_for_all`, `survives_cancellation` |
//! | order of 1,000 | `keeps_the_order_of_one_queue`, `publishes_in_the_order_of_the_caller` |
//! | a publisher closes under 10,000 | `closes_under_load` |
//! | an old queue, a new subscriber | `keeps_messages_for_a_later_subscriber` |
//! | 100 publishers, two restarts | `reconnects_and_loses_nothing` |
//! | groups of consumers | `serves_groups_of_consumers` |
//! | delays | `delays_and_returns_to_one_queue` |
//! | delivery limit | `parks_what_is_rejected_too_often`, `parks_what_ends_its_consumer_too_often` |
//! | dead letters | `sends_rejected_messages_to_the_dead_letter_exchange`, and above transports `dead_letters` |
//! | unrouted | `reports_what_no_queue_receives` |
//! | body limits | `carries_bodies_of_megabytes`, and above transports `publishing` |
//! | topics | `routes_by_the_table`, `routes_random_keys_as_the_matcher_does` |
//! | deadlines | `calls_end_in_time_and_memory_stays_flat_while_nobody_confirms`, `commands` |
//! | lanes, `dedupe`, requests | above transports: `subscribers`, `dedupe`, `commands` |
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails in a test or its child shall fail the test")]

mod child;
mod cluster;
mod deadline;
mod delayed;
mod file;
mod fleet;
mod ledger;
mod poison;
mod processes;
mod rabbit;
mod rolling;
mod scenario;

use bloodbank_harness::Random;
use cluster::{ClusterFault, ClusterScenario};
use file::{FileFault, FileScenario};
use rabbit::{RabbitFault, RabbitScenario};
use scenario::{Scenario, run};

/// Each fault once, in an order of its own each time.
#[test]
fn each_fault_once() {
    let mut random = seeded();
    let mut faults = RabbitFault::short();
    random.shuffle(&mut faults);
    run::<RabbitScenario>(random, &faults);
}

#[test]
fn each_fault_of_a_file_once() {
    let mut random = seeded();
    let mut faults = FileFault::ALL.to_vec();
    random.shuffle(&mut faults);
    run::<FileScenario>(random, &faults);
}

/// Faults at random: `BLOODBANK_FAULT_ROUNDS` of them (100), from the seed `BLOODBANK_FAULT_SEED` (a new one).
#[test]
#[ignore = "takes long; run scripts/faults.sh"]
fn many_faults() {
    many::<RabbitScenario>(RabbitFault::ALL);
}

/// Some faults of a cluster.
#[test]
fn some_faults_of_a_cluster() {
    run::<ClusterScenario>(seeded(), ClusterFault::SHORT);
}

/// As many on a cluster of three nodes.
#[test]
#[ignore = "takes long; run scripts/faults.sh --cluster"]
fn many_faults_of_a_cluster() {
    many::<ClusterScenario>(ClusterFault::ALL);
}

/// As many on a file.
#[test]
#[ignore = "takes long; run scripts/faults.sh"]
fn many_faults_of_a_file() {
    many::<FileScenario>(FileFault::ALL);
}

fn seeded() -> Random {
    Random::from_variable("BLOODBANK_FAULT_SEED")
}

fn many<W: Scenario>(faults: &[W::Fault]) {
    let rounds = std::env::var("BLOODBANK_FAULT_ROUNDS").map_or(100, |rounds| rounds.parse().unwrap());
    let mut random = seeded();
    let faults: Vec<_> = (0..rounds).map(|_| *random.choose(faults)).collect();
    run::<W>(random, &faults);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_keeps_what_waits_for_its_retry() {
    delayed::what_waits_for_its_retry_survives().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_keeps_the_order() {
    rolling::three_processes_are_restarted().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_end_in_time_and_memory_stays_flat_while_nobody_confirms() {
    deadline::calls_end_in_time_and_memory_stays_flat().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_among_good_events_is_parked() {
    poison::poison_among(2_200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes long; run scripts/faults.sh"]
async fn ten_thousand_poisonous_events_are_parked() {
    poison::poison_among(110_000).await;
}
