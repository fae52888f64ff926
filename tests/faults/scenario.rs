//! What is common to all places where faults are inflicted: it goes on afterwards, and in the end nothing is lost.

use std::{
    fmt::Debug,
    thread::sleep,
    time::{Duration, Instant},
};

use bloodbank_harness::{Random, until};

use super::ledger::Ledger;

/// Longer than anything here should take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// RabbitMQ dead-letters a message again only after a while when its target was full or had no leader
/// (`dead_letter_worker_publisher_confirm_timeout`: 180 s, here 10 s).
const DEAD_LETTERS: Duration = Duration::from_secs(120);

/// A bus with publishers and consumers, and what is done to them.
pub(crate) trait Scenario: Sized {
    /// What is done to them.
    type Fault: Copy + Debug;

    fn begin() -> Self;

    fn ledger(&self) -> &Ledger;

    fn inflict(&self, fault: Self::Fault, random: &mut Random);

    /// Lets everything come to its end; returns what is left in the queues.
    fn end(&mut self) -> String;

    /// Waits until everybody does again what he did before the fault.
    fn is_whole(&self) {}

    /// Waits until both sides go on.
    fn makes_progress(&self) {
        let ledger = self.ledger();
        let (begun, confirmed, handled) = (Instant::now(), ledger.confirmed(), ledger.handled());
        while ledger.confirmed() < confirmed + 200 || ledger.handled() < handled + 200 {
            assert!(begun.elapsed() < PATIENCE, "nothing goes on: {}", ledger.summary());
            sleep(Duration::from_millis(20));
        }
    }
}

/// How many events are confirmed at least from one fault to the next (0).
const BETWEEN: &str = "BLOODBANK_FAULT_BETWEEN";

/// Inflicts one fault after the other, waits after each until 200 more events were confirmed and handled, and holds the
/// ledger against the promises.
pub(crate) fn run<W: Scenario>(mut random: Random, faults: &[W::Fault]) {
    println!("{} faults with BLOODBANK_FAULT_SEED={}", faults.len(), random.seed());
    let mut scenario = W::begin();
    scenario.makes_progress();
    let between = std::env::var(BETWEEN).map_or(0, |between| between.parse().unwrap());
    let begun = Instant::now();
    let mut recovered = Vec::new();
    for (round, fault) in faults.iter().enumerate() {
        let (at, confirmed) = (begun.elapsed(), scenario.ledger().confirmed_with_stream());
        // Not always at the same point of what happens.
        random.pause(300);
        scenario.inflict(*fault, &mut random);
        let over = Instant::now();
        scenario.makes_progress();
        let after = over.elapsed();
        scenario.is_whole();
        let whole = over.elapsed();
        println!(
            "{at:>6.1?} {:>3} {fault:?}: goes on {after:.1?} later, is whole after {whole:.1?}; {}",
            round + 1,
            scenario.ledger().summary()
        );
        recovered.push(whole);
        eventually("enough is confirmed", || scenario.ledger().confirmed_with_stream() >= confirmed + between);
    }
    recovered.sort();
    let left = scenario.end();
    let ledger = scenario.ledger();
    let (missing, unflagged, invented) = (ledger.missing(), ledger.unflagged(), ledger.invented());
    println!(
        "{} faults in {:.0?}: {}, parked {:?}, unflagged duplicates with dedupe {unflagged}, invented {invented}, \
         left in queues [{left}], lost {}; everything goes on after a fault within {:.1?} (median), {:.1?} (p99), {:.1?} (all)",
        faults.len(),
        begun.elapsed(),
        ledger.summary(),
        ledger.parked(),
        missing.total(),
        recovered[recovered.len() / 2],
        recovered[(recovered.len() * 99).div_ceil(100) - 1],
        recovered[recovered.len() - 1],
    );
    assert_eq!(missing.total(), 0, "lost: {missing:?}");
    assert_eq!((unflagged, invented, ledger.unrouted()), (0, 0, 0), "unflagged, invented and unrouted");
    assert!(left.is_empty(), "left: {left}");
}

/// Waits until nothing is missing or on its way any more, and gives up when it does not get less: `look` says how much that is.
pub(crate) fn drained(ledger: &Ledger, mut look: impl FnMut() -> usize) {
    let (mut least, mut since) = (usize::MAX, Instant::now());
    loop {
        let left = look() + ledger.missing().total();
        if left < least {
            (least, since) = (left, Instant::now());
        }
        if left == 0 || since.elapsed() > DEAD_LETTERS {
            return;
        }
        sleep(Duration::from_millis(200));
    }
}

/// Waits for what a fault must show before it counts.
pub(crate) fn eventually(what: &str, condition: impl FnMut() -> bool) {
    until(what, PATIENCE, condition).unwrap();
}

/// An enumeration that can list itself.
macro_rules! faults {
    ($(#[$doc:meta])* $name:ident { $($(#[$fault_doc:meta])* $fault:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name {
            $($(#[$fault_doc])* $fault,)+
        }

        impl $name {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$fault),+];
        }
    };
}
pub(crate) use faults;
