//! Measurement of wall time and CPU time, and medians.

use std::{fs, time::Instant};

/// The cost of a piece of work, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: f64,
    /// The CPU time of the processes that were started, and of their children.
    pub(crate) cpu: f64,
}

impl Cost {
    pub(crate) fn of(work: impl FnOnce()) -> Self {
        let (start, cpu) = (Instant::now(), cpu_of_children());
        work();
        Self { wall: start.elapsed().as_secs_f64(), cpu: cpu_of_children() - cpu }
    }
}

/// User and system time of the children that have ended; Linux counts it in hundredths of a second.
fn cpu_of_children() -> f64 {
    let Ok(stat) = fs::read_to_string("/proc/self/stat") else { return f64::NAN };
    // The name of the program is in parentheses, and may hold spaces; `cutime` and `cstime` are the 16th and 17th field.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields.split_whitespace().skip(13).take(2).map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
