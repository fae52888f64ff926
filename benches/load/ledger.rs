//! The ledger of a run: which events were sent, confirmed and handled, in memory that does not grow.

use std::{
    fmt,
    sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use tokio::time::sleep;

const CONFIRMED: u8 = 1;
/// Handled once; the higher bits count how often.
const HANDLED: u8 = 2;
/// The buckets of latencies in each doubling of a microsecond.
const STEPS: usize = 8;
const BUCKETS: usize = 32 * STEPS;

/// Counters of all events, and the state of each.
pub(crate) struct Ledger {
    /// The state of each event, in one byte.
    events: Vec<AtomicU8>,
    next: AtomicUsize,
    confirmed: AtomicUsize,
    failed: AtomicUsize,
    handled: AtomicUsize,
    latencies: [AtomicU64; BUCKETS],
}

impl Ledger {
    pub(crate) fn with_room_for(events: usize) -> Self {
        // Written once, so that it is all there from the beginning: zeros alone take no memory.
        let events: Vec<_> = (0..events).map(|_| AtomicU8::new(255)).collect();
        events.iter().for_each(|event| event.store(0, Relaxed));
        let [next, confirmed, failed, handled] = [(); 4].map(|()| AtomicUsize::new(0));
        Self { events, next, confirmed, failed, handled, latencies: [const { AtomicU64::new(0) }; BUCKETS] }
    }

    /// The number of the next event to send, while there is room.
    pub(crate) fn next(&self) -> Option<usize> {
        let number = self.next.fetch_add(1, Relaxed);
        (number < self.events.len()).then_some(number)
    }

    pub(crate) fn published(&self, number: usize, is_confirmed: bool, took: Duration) {
        if !is_confirmed {
            self.failed.fetch_add(1, Relaxed);
            return;
        }
        self.events[number].fetch_or(CONFIRMED, Relaxed);
        self.confirmed.fetch_add(1, Relaxed);
        let bucket = (took.as_secs_f64() * 1e6).max(1.0).log2() * STEPS as f64;
        self.latencies[(bucket as usize).min(BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    pub(crate) fn handled(&self, number: usize) {
        if self.events[number].fetch_add(HANDLED, Relaxed) < HANDLED {
            self.handled.fetch_add(1, Relaxed);
        }
    }

    /// Waits until every confirmed event is handled, and returns whether that happened in time.
    pub(crate) async fn is_settled_within(&self, timeout: Duration) -> bool {
        let begun = Instant::now();
        while self.lost() > 0 && begun.elapsed() < timeout {
            sleep(Duration::from_millis(20)).await;
        }
        self.lost() == 0
    }

    fn count(&self, is_meant: impl Fn(u8) -> bool) -> usize {
        self.events.iter().filter(|event| is_meant(event.load(Relaxed))).count()
    }

    /// The number of events that are confirmed and not handled (yet).
    pub(crate) fn lost(&self) -> usize {
        self.count(|event| event == CONFIRMED)
    }

    /// The number of times that events were handled again.
    pub(crate) fn duplicated(&self) -> usize {
        self.events.iter().map(|event| usize::from(event.load(Relaxed) / HANDLED).saturating_sub(1)).sum()
    }

    pub(crate) fn sent_count(&self) -> usize {
        self.next.load(Relaxed).min(self.events.len())
    }

    pub(crate) fn confirmed_count(&self) -> usize {
        self.confirmed.load(Relaxed)
    }

    pub(crate) fn failed_count(&self) -> usize {
        self.failed.load(Relaxed)
    }

    pub(crate) fn handled_count(&self) -> usize {
        self.handled.load(Relaxed)
    }

    /// The figures of the run until now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot {
            at: Instant::now(),
            confirmed: self.confirmed_count(),
            handled: self.handled_count(),
            latencies: self.latencies.each_ref().map(|bucket| bucket.load(Relaxed)),
        }
    }
}

/// The figures of the run until a moment, or between two.
pub(crate) struct Snapshot {
    at: Instant,
    confirmed: usize,
    handled: usize,
    latencies: [u64; BUCKETS],
}

/// A row of the table: rates in events per second, latencies in milliseconds.
pub(crate) struct Row {
    confirmed: f64,
    handled: f64,
    median: f64,
    p99: f64,
}

impl Snapshot {
    pub(crate) fn since(&self, before: &Self) -> Row {
        let seconds = (self.at - before.at).as_secs_f64();
        let mut between = Self { at: self.at, confirmed: 0, handled: 0, latencies: self.latencies };
        between.latencies.iter_mut().zip(before.latencies).for_each(|(bucket, before)| *bucket -= before);
        Row {
            confirmed: (self.confirmed - before.confirmed) as f64 / seconds,
            handled: (self.handled - before.handled) as f64 / seconds,
            median: between.quantile(0.5),
            p99: between.quantile(0.99),
        }
    }

    /// A quantile of the latencies in milliseconds, to a tenth of the value.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let wanted = (self.latencies.iter().sum::<u64>() as f64 * share) as u64;
        let mut seen = 0;
        let bucket = self.latencies.iter().position(|count| {
            seen += count;
            seen > wanted
        });
        2_f64.powf((bucket.unwrap_or(BUCKETS) as f64 + 0.5) / STEPS as f64) / 1e3
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { confirmed, handled, median, p99 } = self;
        write!(f, "{confirmed:>12.0}{handled:>12.0}{median:>12.1}{p99:>12.1}")
    }
}
