//! The fault suite: publishers and consumers are processes of their own, the broker, the network, Redis and the processes
//! themselves are killed, frozen and cut, and a ledger knows what was confirmed and what was handled.
//!
//! The short form runs with the other tests; `scripts/faults.sh` runs the long one.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "what fails in a test or its child shall fail the test")]

#[path = "faults/child.rs"]
mod child;
#[path = "faults/crew.rs"]
mod crew;
#[path = "faults/ledger.rs"]
mod ledger;
#[path = "faults/poison.rs"]
mod poison;
#[path = "faults/random.rs"]
mod random;
#[path = "faults/world.rs"]
mod world;

use random::Random;
use world::{Fault, World};

/// Each fault once, in an order of its own each time.
#[test]
fn each_fault_once() {
    let mut random = Random::from_environment();
    let mut faults = Fault::SHORT.to_vec();
    random.shuffle(&mut faults);
    run(random, faults);
}

/// Faults at random: `BLOODBANK_FAULT_ROUNDS` of them (100), from the seed `BLOODBANK_FAULT_SEED` (a new one).
#[test]
#[ignore = "takes long; run scripts/faults.sh"]
fn many_faults() {
    let rounds = std::env::var("BLOODBANK_FAULT_ROUNDS").map_or(100, |rounds| rounds.parse().unwrap());
    let mut random = Random::from_environment();
    let faults = (0..rounds).map(|_| *random.choose(&Fault::ALL)).collect();
    run(random, faults);
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

fn run(mut random: Random, faults: Vec<Fault>) {
    println!("{} faults with BLOODBANK_FAULT_SEED={}", faults.len(), random.seed());
    let world = World::begin();
    world.makes_progress();
    let begun = std::time::Instant::now();
    for (round, fault) in faults.iter().enumerate() {
        let at = begun.elapsed();
        world.inflict(*fault, &mut random);
        let recovered = world.makes_progress();
        println!("{at:>6.1?} {:>3} {fault:?}: goes on {recovered:.1?} later; {}", round + 1, world.ledger().summary());
    }
    world.end(faults.len());
}
