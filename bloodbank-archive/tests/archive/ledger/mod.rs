//! The ledger: what was confirmed is in the stream of RabbitMQ; its copy in PostgreSQL, an archive of the stream and an archive of
//! the copy have what the stream has, in its order, once, whoever was killed meanwhile.
//!
//! The short form runs with the other tests; `scripts/ledger.sh` runs the long one. `BLOODBANK_TEST_EVENTS` says how many events are
//! published, `BLOODBANK_TEST_FAULTS` how many faults there are, and `BLOODBANK_TEST_SEED` which.

mod books;
mod world;

use std::time::Instant;

use crate::kills::number;

use self::{
    books::{Confirmed, compare},
    world::{Fault, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_and_the_archives_are_the_stream_and_that_is_what_was_confirmed() {
    let (events, faults) = (number("BLOODBANK_TEST_EVENTS", 4_000), number("BLOODBANK_TEST_FAULTS", 6));
    let seed = number("BLOODBANK_TEST_SEED", fastrand::u64(..));
    println!("BLOODBANK_TEST_SEED={seed}: {events} events, {faults} faults");
    let (mut random, begun) = (fastrand::Rng::with_seed(seed), Instant::now());
    let mut world = World::start(events).await;
    let (bus, mut confirmed) = (world.bus().await, Confirmed::default());
    let (mut struck, mut outages) = (Vec::new(), Vec::new());
    for turn in 0..faults {
        let fault = Fault::choose(turn, &mut random);
        let count = events * (turn + 1) / faults - confirmed.published();
        let publishing = confirmed.publish(&bus, count);
        let ((), outage) = tokio::join!(publishing, world.strike(fault, &mut random, &bus));
        struck.push(fault);
        outages.extend(outage);
        if faults > 20 && turn % 10 == 9 {
            let done = confirmed.published();
            println!("{:>6.0?}: {} faults, {done} of {events} events", begun.elapsed(), turn + 1);
        }
    }
    let published = begun.elapsed();
    bus.close().await;
    let journals = world.caught_up().await;
    println!("published after {published:.0?}, everybody had them after {:.0?}", begun.elapsed());
    for fault in Fault::ALL {
        println!("{:>6} {fault:?}", struck.iter().filter(|known| **known == fault).count());
    }
    let stream = compare(&journals).await;
    confirmed.check(&stream, &outages);
    journals.nothing_is_missing().await;
    println!("compared after {:.0?}", begun.elapsed());
}
