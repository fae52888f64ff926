//! The cost of declarations: the build of 1,000 events against the same structs without `Event`, and the start of a program
//! with 10,000 events. The benchmark generates crates below `target/declare` and builds them as `cargo build` does when
//! nothing is configured, apart from incremental compilation, so that every round builds everything.
//!
//! Run: `cargo bench --bench declare`; `-- build 200` or `-- start` for a part, or for another number.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]

mod generate;
mod measure;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use generate::Structs;
use measure::{Cost, median};

const EVENTS: usize = 1_000;
const STARTED: usize = 10_000;
/// The number of times that the program is started.
const STARTS: usize = 21;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let part = words.next();
    let count = words.next().map(|count| count.parse().unwrap());
    let bench = Bench::new();
    if part.as_deref() != Some("start") {
        bench.build(count.unwrap_or(EVENTS));
    }
    if part.as_deref() != Some("build") {
        bench.start(count.unwrap_or(STARTED));
    }
}

struct Bench {
    root: &'static Path,
    home: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        Self { root, home: root.join("target/declare") }
    }

    fn build(&self, count: usize) {
        // The dependencies; and what a build costs that has nothing to do with how many structs there are.
        generate::structs(&self.home.join("alone"), self.root, 1, Structs::Alone);
        self.cargo_build("alone");
        println!("build of {count} structs of 5 fields, dev profile");
        println!("{:<44}{:>9}{:>9}", "", "wall, s", "CPU, s");
        let kinds = [
            ("alone", Structs::Alone, "serde and schemars, derived and not used"),
            ("events", Structs::Events, "the same with Event"),
            ("used", Structs::Used, "without Event, each read and written once"),
        ];
        let [alone, events, used] = kinds.map(|(name, structs, what)| {
            generate::structs(&self.home.join(name), self.root, count, structs);
            let cost = self.cargo_build(name);
            println!("{what:<44}{:>9.1}{:>9.1}", cost.wall, cost.cpu);
            cost
        });
        for (what, other, bar) in [("derived and not used", alone, "; bar 1.15"), ("read and written once", used, "")] {
            let (wall, cpu) = (events.wall / other.wall, events.cpu / other.cpu);
            println!("{:<44}{wall:>9.2}{cpu:>9.2}{bar}", format!("ratio to {what}"));
        }
        let each = |part: fn(Cost) -> f64| (part(events) - part(alone)) * 1e3 / count as f64;
        println!("{:<44}{:>9.1}{:>9.1}", "Event, ms for each", each(|cost| cost.wall), each(|cost| cost.cpu));
    }

    fn start(&self, count: usize) {
        let [nothing, events] = [("empty", 0), ("start", count)].map(|(name, count)| {
            generate::program(&self.home.join(name), self.root, count);
            self.cargo_build(name);
            let program = self.home.join("target/debug").join(name);
            let starts = std::iter::repeat_with(|| started(&program)).take(STARTS);
            let (whole, first_use): (Vec<_>, Vec<_>) = starts.unzip();
            (median(whole) * 1e3, median(first_use) * 1e3)
        });
        println!("start of a program with {count} events, ms, median of {STARTS}");
        println!("{:<44}{:>9.2}; bar 10", "first use of the registry", events.1);
        println!("{:<44}{:>9.2}", "whole process, above one without events", events.0 - nothing.0);
    }

    /// Builds a generated crate, without its dependencies.
    fn cargo_build(&self, name: &str) -> Cost {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--manifest-path"])
            .arg(self.home.join(name).join("Cargo.toml"))
            .arg("--target-dir")
            .arg(self.home.join("target"))
            .env("CARGO_INCREMENTAL", "0")
            .stdin(Stdio::null());
        Cost::of(|| {
            let status = cargo.status().unwrap();
            assert!(status.success(), "the generated crate `{name}` does not build");
        })
    }
}

/// Starts the program and returns the time of the whole process and that of the first use of the registry, in seconds.
fn started(program: &Path) -> (f64, f64) {
    let mut output = None;
    let cost = Cost::of(|| output = Some(Command::new(program).output().unwrap()));
    let nanos: f64 = String::from_utf8(output.unwrap().stdout).unwrap().trim().parse().unwrap();
    (cost.wall, nanos / 1e9)
}
