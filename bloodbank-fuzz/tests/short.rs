//! Each target for a short while; `scripts/fuzz-inputs.sh` is the long form.
#![allow(clippy::unwrap_used, reason = "tests")]

use bloodbank_fuzz::{fuzz, targets};
use bloodbank_harness::Random;

fn briefly(name: &str, executions: u64) {
    let seed = Random::from_variable("BLOODBANK_FUZZ_SEED").seed();
    let report = fuzz(&mut *targets::named(name).unwrap(), executions, seed).unwrap_or_else(|found| panic!("{found}"));
    println!("{report}");
    // Inputs that all end at the first check would find nothing behind it.
    assert!(report.answers > 10, "the inputs come nowhere: {report}");
}

#[test]
fn envelopes() {
    briefly("envelope", 20_000);
}

#[test]
fn headers() {
    briefly("headers", 3_000);
}

#[test]
fn patterns() {
    briefly("patterns", 20_000);
}

#[test]
fn settings() {
    briefly("settings", 20_000);
}

#[test]
fn requests_to_the_gateway() {
    briefly("gateway", 3_000);
}

#[test]
fn calls_of_agents() {
    briefly("mcp", 3_000);
}
