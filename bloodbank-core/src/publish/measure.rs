//! Metrics of publishing.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Instant,
};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use parking_lot::RwLock;

use crate::{error::Result, message::Published, registry::Registry};

/// A publish in flight, whose outcome is counted once.
pub(super) struct Measured {
    handles: Arc<Handles>,
    published: Arc<Outcomes>,
    start: Instant,
    outcome: Outcome,
}

#[derive(Clone, Copy)]
enum Outcome {
    Confirmed,
    Unrouted,
    Failed,
    Abandoned,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Unrouted => "unrouted",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
}

impl Measured {
    pub(super) fn begin(event_type: &str) -> Self {
        let handles = Handles::of_recorder();
        handles.in_flight.increment(1.0);
        let published = handles.published(Registry::global().label(event_type));
        Self { handles, published, start: Instant::now(), outcome: Outcome::Abandoned }
    }

    pub(super) fn end(mut self, published: &Result<Published>) {
        self.outcome = match published {
            Ok(Published { unrouted: false }) => Outcome::Confirmed,
            Ok(Published { unrouted: true }) => Outcome::Unrouted,
            Err(_) => Outcome::Failed,
        };
        if published.is_ok() {
            self.handles.confirm_seconds.record(self.start.elapsed().as_secs_f64());
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.handles.in_flight.decrement(1.0);
        self.published.count(self.outcome);
    }
}

/// The metric handles of a recorder, kept because asking it for each event would cost as much as writing a small one.
struct Handles {
    /// The address of the recorder: another one may be installed after the first event.
    recorder: usize,
    in_flight: Gauge,
    confirm_seconds: Histogram,
    published: RwLock<HashMap<&'static str, Arc<Outcomes>>>,
}

impl Handles {
    /// The handles of the recorder that counts now.
    fn of_recorder() -> Arc<Self> {
        static LAST: RwLock<Option<Arc<Handles>>> = RwLock::new(None);
        let recorder = metrics::with_recorder(|recorder| std::ptr::from_ref(recorder).addr());
        let last = LAST.read().clone();
        if let Some(last) = last.filter(|last| last.recorder == recorder) {
            return last;
        }
        let new = Arc::new(Self {
            recorder,
            in_flight: gauge!("bloodbank_in_flight"),
            confirm_seconds: histogram!("bloodbank_confirm_seconds"),
            published: RwLock::default(),
        });
        *LAST.write() = Some(Arc::clone(&new));
        new
    }

    fn published(&self, event_type: &'static str) -> Arc<Outcomes> {
        if let Some(known) = self.published.read().get(event_type) {
            return Arc::clone(known);
        }
        let new = || Arc::new(Outcomes { event_type, counters: [const { OnceLock::new() }; 4] });
        Arc::clone(self.published.write().entry(event_type).or_insert_with(new))
    }
}

/// The counters of one event type, one for each outcome.
struct Outcomes {
    event_type: &'static str,
    counters: [OnceLock<Counter>; 4],
}

impl Outcomes {
    fn count(&self, outcome: Outcome) {
        let counter = self.counters[outcome as usize].get_or_init(
            || counter!("bloodbank_published_total", "event_type" => self.event_type, "outcome" => outcome.name()),
        );
        counter.increment(1);
    }
}
