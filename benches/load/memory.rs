//! The resident memory of this process over time.

use std::fmt;

/// The share by which the last third of a run may differ from the middle third.
const TOLERANCE: f64 = 0.1;

/// The resident memory of this process in KiB.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Samples of the resident memory in KiB, taken at equal intervals.
#[derive(Default)]
pub(crate) struct Memory(Vec<u64>);

impl Memory {
    pub(crate) fn add(&mut self, resident: u64) {
        self.0.push(resident);
    }

    /// The means of the middle third and of the last third, in MiB.
    fn thirds(&self) -> (f64, f64) {
        let third = self.0.len().div_ceil(3).max(1);
        let mean = |part: &[u64]| part.iter().sum::<u64>() as f64 / part.len().max(1) as f64 / 1024.0;
        let (rest, last) = self.0.split_at(self.0.len().saturating_sub(third));
        (mean(&rest[rest.len().saturating_sub(third)..]), mean(last))
    }

    pub(crate) fn is_flat(&self) -> bool {
        let (middle, last) = self.thirds();
        (last - middle).abs() <= middle * TOLERANCE
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (middle, last) = self.thirds();
        let flat = if self.is_flat() { "flat" } else { "NOT flat" };
        write!(f, "{middle:.1} MiB in the middle third, {last:.1} MiB in the last: {flat}")
    }
}
