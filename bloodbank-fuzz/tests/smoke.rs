//! The fuzz targets, each for a short while; `scripts/fuzz-inputs.sh` is the long form.
#![allow(clippy::unwrap_used, reason = "tests")]

use bloodbank_fuzz::{fuzz, replay, targets};
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

/// The golden inputs are valid, so that mutations come further than the first check.
#[test]
fn golden_inputs_are_accepted() {
    for (name, part, answer) in [
        ("envelope", "llm.prompt", "an event of"),
        ("settings", "SERVICE_NAME", "accepted"),
        ("gateway", "POST /events/llm/prompt", "\"event_type\":\"llm.prompt\""),
        ("gateway", "x-hub-signature-256: sha256=right", "\"published\""),
        ("gateway", "01K7CKT5XHEY6DP8BH4CND1QKZ", "\"published\""),
        ("gateway", "GET /events/stream?pattern", "\"OK\""),
        ("gateway", "GET /schemas/", "\"$schema\""),
        ("mcp", "\"publish_event\"", "\"isError\":false"),
        ("mcp", "get_event_schema", "\"isError\":false"),
        ("mcp", "publish_llm_prompt", "\"isError\":false"),
        ("mcp", "resources/read", "\"contents\""),
    ] {
        let mut target = targets::named(name).unwrap();
        let corpus = target.corpus();
        let input = corpus.iter().find(|input| String::from_utf8_lossy(input).contains(part)).unwrap();
        let said = replay(&mut *target, input).unwrap();
        assert!(said.contains(answer), "{name}, {part}: {said}");
    }
}
