//! What happened in the last minutes: events on the bus, and what the workers of this process did.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bloodbank_core::Registry;
use bloodbank_gateway::{Gateway, LiveEvent, LiveEvents};
use bloodbank_probes::render_metrics;
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::debug;

/// The length of a bucket. Rates are means over it.
pub(crate) const BUCKET_SECONDS: u32 = 15;
/// The number of buckets: 15 minutes.
const BUCKETS: usize = 60;
/// The time without a visitor after which nothing is counted any more.
const IDLE: Duration = Duration::from_secs(20 * 60);
/// The time until the bus is asked again for its events.
const AGAIN: Duration = Duration::from_secs(2);

/// The metrics of deliveries that ended well, and of those that did not.
const HANDLED: &[&str] = &["bloodbank_handled_total"];
const FAILED: &[&str] = &["bloodbank_retried_total", "bloodbank_dead_lettered_total"];

/// Counts what happens, from the first visit on, for as long as somebody looks.
#[derive(Clone, Default)]
pub(crate) struct Activity(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_counting: AtomicBool,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    last_visit: Option<Instant>,
    series: VecDeque<Bucket>,
    /// The counters of the process when the last bucket began.
    handled: u64,
    failed: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Bucket {
    published: u64,
    /// The registered events by their keys as declared.
    by_key: HashMap<&'static str, u64>,
    handled: u64,
    failed: u64,
}

/// The numbers of each bucket, oldest first; the last one is still growing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Series {
    pub(crate) published: Vec<u64>,
    pub(crate) handled: Vec<u64>,
    pub(crate) failed: Vec<u64>,
}

/// What was seen of each event and of each handler.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// The events of the last minutes by their keys as declared.
    pub(crate) published: HashMap<&'static str, u64>,
    /// The seconds for which they were counted.
    pub(crate) seconds: u32,
    /// The deliveries that were handled, and the attempts that failed, by queue, since this process began.
    queues: HashMap<String, (u64, u64)>,
}

impl Totals {
    /// The numbers of the queues whose names end like this.
    pub(crate) fn of_queues(&self, end: &str) -> (u64, u64) {
        let queues = self.queues.iter().filter(|(queue, _)| queue.ends_with(end));
        queues.fold((0, 0), |sum, (_, (handled, failed))| (sum.0 + handled, sum.1 + failed))
    }
}

impl Activity {
    /// What was seen of each event and of each handler.
    pub(crate) fn totals(&self) -> Totals {
        let counts = self.0.counts.lock();
        let mut totals = Totals { queues: by_queue(&render_metrics().unwrap_or_default()), ..Totals::default() };
        for bucket in &counts.series {
            totals.seconds += BUCKET_SECONDS;
            for (key, number) in &bucket.by_key {
                *totals.published.entry(key).or_default() += number;
            }
        }
        totals
    }

    /// The numbers so far. The first visit begins the count.
    pub(crate) fn look(&self, gateway: &Gateway) -> Series {
        self.0.counts.lock().last_visit = Some(Instant::now());
        if !self.0.is_counting.swap(true, Ordering::Relaxed) {
            tokio::spawn(count(self.clone(), gateway.clone()));
        }
        let mut counts = self.0.counts.lock();
        counts.sample();
        let buckets = || counts.series.iter();
        Series {
            published: buckets().map(|bucket| bucket.published).collect(),
            handled: buckets().map(|bucket| bucket.handled).collect(),
            failed: buckets().map(|bucket| bucket.failed).collect(),
        }
    }

    fn is_idle(&self) -> bool {
        self.0.counts.lock().last_visit.is_none_or(|visit| visit.elapsed() > IDLE)
    }
}

impl Counts {
    /// Adds what the workers did since the last sample to the bucket that grows.
    fn sample(&mut self) {
        let (handled, failed) = process_totals();
        if self.series.is_empty() {
            (self.handled, self.failed) = (handled, failed);
            self.series.push_back(Bucket::default());
        }
        if let Some(bucket) = self.series.back_mut() {
            bucket.handled += handled.saturating_sub(self.handled);
            bucket.failed += failed.saturating_sub(self.failed);
        }
        (self.handled, self.failed) = (handled, failed);
    }

    fn begin_bucket(&mut self) {
        self.sample();
        self.series.push_back(Bucket::default());
        while self.series.len() > BUCKETS {
            self.series.pop_front();
        }
    }
}

async fn count(activity: Activity, gateway: Gateway) {
    let mut ticks = interval(Duration::from_secs(BUCKET_SECONDS.into()));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    let mut events = None;
    while !activity.is_idle() {
        tokio::select! {
            event = next(&mut events, &gateway) => {
                let registered = Registry::global().event(event.event_type());
                if let Some(bucket) = activity.0.counts.lock().series.back_mut() {
                    bucket.published += 1;
                    if let Some(registered) = registered {
                        *bucket.by_key.entry(registered.routing_key()).or_default() += 1;
                    }
                }
            }
            _ = ticks.tick() => activity.0.counts.lock().begin_bucket(),
        }
    }
    activity.0.counts.lock().series.clear();
    activity.0.is_counting.store(false, Ordering::Relaxed);
}

/// Waits for the next event on the bus, for as long as it takes to reach the bus.
async fn next(events: &mut Option<LiveEvents>, gateway: &Gateway) -> LiveEvent {
    loop {
        if let Some(live) = events {
            if let Some(event) = live.next().await {
                return event;
            }
            *events = None;
            sleep(AGAIN).await;
        }
        match gateway.live(&["#".to_owned()]).await {
            Ok(live) => *events = Some(live),
            Err(problem) => {
                debug!(error = problem.detail, "events are not counted: the bus cannot be reached");
                sleep(AGAIN).await;
            }
        }
    }
}

/// The counters of this process: deliveries that were handled, and attempts that failed.
fn process_totals() -> (u64, u64) {
    let text = render_metrics().unwrap_or_default();
    (total(&text, HANDLED), total(&text, FAILED))
}

/// The numbers of handled deliveries and of failed attempts by queue, in the text of Prometheus.
fn by_queue(text: &str) -> HashMap<String, (u64, u64)> {
    let mut found: HashMap<String, (u64, u64)> = HashMap::new();
    for line in text.lines() {
        let Some((name, rest)) = line.split_once("{queue=\"") else { continue };
        let Some((queue, value)) = rest.rsplit_once("\"} ") else { continue };
        let Ok(value) = value.parse::<u64>() else { continue };
        let numbers = found.entry(queue.to_owned()).or_default();
        if HANDLED.contains(&name) {
            numbers.0 += value;
        } else if FAILED.contains(&name) {
            numbers.1 += value;
        }
    }
    found
}

/// The sum of counters with these names in the text of Prometheus.
fn total(text: &str, names: &[&str]) -> u64 {
    let value = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        let name = name.split('{').next()?;
        names.contains(&name).then(|| value.parse::<u64>().ok())?
    };
    text.lines().filter_map(value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_over_their_labels() {
        let text = "# TYPE bloodbank_handled_total counter\nbloodbank_handled_total{queue=\"shop.ship it\"} 3\n\
                    bloodbank_handled_total{queue=\"b\"} 4\nbloodbank_handled_totals 9\nbloodbank_retried_total{queue=\"b\"} 2\n";
        assert_eq!((total(text, HANDLED), total(text, FAILED)), (7, 2));
        let queues = by_queue(text);
        assert_eq!((queues["shop.ship it"], queues["b"]), ((3, 0), (4, 2)));
    }

    #[test]
    fn only_the_last_minutes_are_kept() {
        let mut counts = Counts::default();
        for number in 0..100 {
            counts.begin_bucket();
            counts.series.back_mut().expect("a bucket").published = number;
        }
        assert_eq!(counts.series.len(), BUCKETS);
        assert_eq!(counts.series.back().map(|bucket| bucket.published), Some(99));
    }
}
