//! What declarations cost: the build of 1,000 events against the same structs without `Event`, and the start of a program
//! with 10,000 events. Generates crates below `target/declare` and builds them.
//!
//! Run: `cargo bench --bench declare [-- build | start]` (some minutes).
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]

mod generate;

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use generate::Structs;

const EVENTS: usize = 1_000;
const STARTED: usize = 10_000;
const ROUNDS: usize = 3;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = root.join("target/declare");
    let part = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    if wanted("build") {
        builds(root, &home);
    }
    if wanted("start") {
        starts(root, &home);
    }
}

fn builds(root: &Path, home: &Path) {
    let kinds = [("alone", Structs::Alone), ("used", Structs::Used), ("events", Structs::Events)];
    for (name, structs) in kinds {
        generate::structs(&home.join(name), root, EVENTS, structs);
        // The dependencies, and one round that does not count.
        build(home, name);
    }
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for ((name, _), times) in kinds.iter().zip(&mut times) {
            times.push(build(home, name));
        }
    }
    let [alone, used, events] = times.map(|times| median(times).as_secs_f64());
    println!("build of {EVENTS} structs, debug, median of {ROUNDS} rounds");
    println!("  serde and schemars, derived only               {alone:>8.2} s");
    println!("  serde and schemars, each struct used once      {used:>8.2} s");
    println!("  serde, schemars and Event                      {events:>8.2} s");
    println!("  ratio to derived only {:.2}, to used {:.2}", events / alone, events / used);
}

fn starts(root: &Path, home: &Path) {
    generate::program(&home.join("start"), root, STARTED);
    build(home, "start");
    let program = home.join("target/debug/start");
    let starts = (0..9).map(|_| {
        let output = Command::new(&program).output().unwrap();
        let nanos: u64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        Duration::from_nanos(nanos)
    });
    println!("registry of {STARTED} events, first use: {:.2} ms", median(starts.collect()).as_secs_f64() * 1e3);
}

/// Builds a generated crate again, its dependencies not.
fn build(home: &Path, name: &str) -> Duration {
    let source = home.join(name).join("src").join(if name == "start" { "main.rs" } else { "lib.rs" });
    let text = std::fs::read(&source).unwrap();
    std::fs::write(&source, text).unwrap();
    let start = Instant::now();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--manifest-path"])
        .arg(home.join(name).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(home.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "the generated crate `{name}` does not build");
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
