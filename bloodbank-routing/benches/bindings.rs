//! `PatternTrie` against a scan that asks every pattern in turn.
//!
//! Run: `cargo bench -p bloodbank-routing`. Interleaved rounds, medians. The last column is the time that the trie saves, as a
//! share of the 5 µs that an event costs in process; it counts where the route of a key is not remembered.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]

use std::{hint::black_box, time::Instant};

use bloodbank_routing::{PatternTrie, matches};

const ROUNDS: usize = 11;
const LOOKUPS: usize = 20_000;
/// The cost of an event in process from publishing to its handler, in nanoseconds.
const EVENT: f64 = 5_000.0;

fn main() {
    println!("{:<12}{:>14}{:>14}{:>10}", "bindings", "scan, ns", "trie, ns", "of 5 µs");
    for bindings in [1, 10, 100, 1_000] {
        let patterns: Vec<String> = (0..bindings).map(pattern).collect();
        let keys: Vec<String> = (0..bindings.max(100)).map(key).collect();
        let mut trie = PatternTrie::new();
        patterns.iter().enumerate().for_each(|(number, pattern)| trie.insert(pattern, number));
        let (mut by_trie, mut by_scan) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            by_scan.push(nanos(&keys, |key, found| {
                let numbers = patterns.iter().enumerate().filter(|(_, pattern)| matches(pattern, key));
                found.extend(numbers.map(|(number, _)| number));
            }));
            by_trie.push(nanos(&keys, |key, found| trie.for_each_match(key, |number| found.push(*number))));
        }
        let (scan, trie) = (median(by_scan), median(by_trie));
        println!("{bindings:<12}{scan:>14.0}{trie:>14.0}{:>9.0}%", (scan - trie) / EVENT * 100.0);
    }
}

/// Bindings as services have them: mostly keys, some with wildcards, few for everything that failed.
fn pattern(number: usize) -> String {
    let (domain, entity) = (number % 20, number / 20);
    match number % 10 {
        0 => format!("domain{domain}.#"),
        1 => "#.failed".to_owned(),
        2 | 3 => format!("domain{domain}.entity{entity}.*"),
        _ => key(number),
    }
}

fn key(number: usize) -> String {
    format!("domain{}.entity{}.happened", number % 20, number / 20)
}

/// The time of a look-up.
fn nanos(keys: &[String], look_up: impl Fn(&str, &mut Vec<usize>)) -> f64 {
    let mut found = Vec::new();
    let begun = Instant::now();
    for key in keys.iter().cycle().take(LOOKUPS) {
        found.clear();
        look_up(black_box(key), &mut found);
        black_box(&found);
    }
    begun.elapsed().as_secs_f64() * 1e9 / LOOKUPS as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
