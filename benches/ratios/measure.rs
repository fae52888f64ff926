//! Measurement of rates and CPU time, and their medians.

use std::{fs, time::Instant};

/// The figures of a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure {
    /// Events per second.
    pub(crate) rate: f64,
    /// The CPU time of this process, in µs per event.
    pub(crate) cpu: f64,
}

impl Figure {
    /// The median of each figure by itself.
    pub(crate) fn median(figures: &[Self]) -> Self {
        let of = |pick: fn(&Self) -> f64| median(figures.iter().map(pick));
        Self { rate: of(|figure| figure.rate), cpu: of(|figure| figure.cpu) }
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A round that is being measured.
#[derive(Debug)]
pub(crate) struct Round {
    start: Instant,
    cpu: f64,
}

impl Round {
    pub(crate) fn begin() -> Self {
        Self { start: Instant::now(), cpu: cpu_seconds() }
    }

    pub(crate) fn end(&self, events: usize) -> Figure {
        let (seconds, cpu) = (self.start.elapsed().as_secs_f64(), cpu_seconds() - self.cpu);
        Figure { rate: events as f64 / seconds, cpu: cpu * 1e6 / events as f64 }
    }
}

/// The CPU time of all threads of this process, to the nanosecond (`/proc/self/stat` counts in hundredths of a second).
fn cpu_seconds() -> f64 {
    let nanos: u64 = fs::read_dir("/proc/self/task")
        .unwrap()
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    nanos as f64 / 1e9
}

/// Prints a row of the table.
pub(crate) fn ratio(what: &str, theirs: f64, ours: f64) {
    let digits = if theirs < 100.0 { 2 } else { 0 };
    println!("{what:<44}{theirs:>12.digits$}{ours:>12.digits$}{:>8.2}", ours / theirs);
}
