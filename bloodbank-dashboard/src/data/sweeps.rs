//! Redrives and discards, which go on while a page shows how far they are.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bloodbank_core::{
    Bus, DeadLetters,
    dead_letter::{Filter, Handle, Mode, SweepReport},
};
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::sync::watch;
use uuid::Uuid;

use super::{audit, letters::LetterCache};

/// The number of dead letters after which the page tells more.
const CHUNK: usize = 1000;
/// The number of sweeps whose results are kept.
const KEPT: usize = 50;
/// The number of faults that a page tells.
const MOST_FAULTS: usize = 100;

/// What a sweep does with dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Redrive,
    Discard,
}

/// A sweep: what it does, and how far it is.
pub(crate) struct Sweep {
    pub(crate) id: Uuid,
    pub(crate) action: Action,
    pub(crate) queue: String,
    pub(crate) who: Option<String>,
    pub(crate) started: DateTime<Utc>,
    handles: Vec<Handle>,
    done: AtomicUsize,
    failed: AtomicUsize,
    faults: Mutex<Vec<(Handle, String)>>,
    end: watch::Sender<Option<End>>,
}

/// The end of a sweep.
#[derive(Debug, Clone)]
pub(crate) struct End {
    /// Why it ended early.
    pub(crate) interrupted: Option<String>,
}

impl Sweep {
    pub(crate) fn total(&self) -> usize {
        self.handles.len()
    }

    pub(crate) fn done(&self) -> usize {
        self.done.load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self) -> usize {
        self.failed.load(Ordering::Relaxed)
    }

    /// Those that are still there, and why; not all of them where they are many.
    pub(crate) fn faults(&self) -> Vec<(Handle, String)> {
        self.faults.lock().clone()
    }

    /// `None`: it goes on.
    pub(crate) fn end(&self) -> Option<End> {
        self.end.borrow().clone()
    }

    /// Waits for the end.
    pub(crate) async fn finished(&self) {
        let mut end = self.end.subscribe();
        let _ = end.wait_for(Option::is_some).await;
    }

    async fn run(&self, bus: &Bus) -> Option<String> {
        for handles in self.handles.chunks(CHUNK) {
            let letters = DeadLetters::of(bus, self.queue.as_str());
            let filter = Filter { handles: handles.to_vec(), ..Filter::default() };
            let report = match self.action {
                Action::Redrive => letters.redrive(&filter, Mode::Apply).await,
                Action::Discard => letters.discard(&filter, Mode::Apply).await,
            };
            let report: SweepReport = match report {
                Ok(report) => report.into(),
                Err(error) => return Some(error.to_string()),
            };
            for letter in report.letters {
                let Some(error) = letter.error else {
                    self.done.fetch_add(1, Ordering::Relaxed);
                    continue;
                };
                self.failed.fetch_add(1, Ordering::Relaxed);
                let mut faults = self.faults.lock();
                if faults.len() < MOST_FAULTS {
                    faults.push((letter.handle, error));
                }
            }
            if report.interrupted.is_some() {
                return report.interrupted;
            }
        }
        None
    }
}

/// The last sweeps.
#[derive(Default)]
pub(crate) struct Sweeps(Mutex<VecDeque<Arc<Sweep>>>);

impl Sweeps {
    /// Begins a sweep through these dead letters of a queue.
    pub(crate) fn begin(
        &self,
        bus: &Bus,
        cache: &Arc<LetterCache>,
        action: Action,
        queue: &str,
        handles: Vec<Handle>,
        who: Option<String>,
    ) -> Arc<Sweep> {
        let sweep = Arc::new(Sweep {
            id: Uuid::new_v4(),
            action,
            queue: queue.to_owned(),
            who,
            started: Utc::now(),
            handles,
            done: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            faults: Mutex::default(),
            end: watch::channel(None).0,
        });
        let mut known = self.0.lock();
        known.push_back(Arc::clone(&sweep));
        // Those that go on stay.
        while known.len() > KEPT && known.front().is_some_and(|oldest| oldest.end().is_some()) {
            known.pop_front();
        }
        let (bus, cache, running) = (bus.clone(), Arc::clone(cache), Arc::clone(&sweep));
        tokio::spawn(async move {
            let interrupted = cache.change(&running.queue, running.run(&bus)).await;
            let verb = match running.action {
                Action::Redrive => audit::Verb::Redriven,
                Action::Discard => audit::Verb::Discarded,
            };
            let counts = audit::Counts { selected: running.total(), done: running.done(), failed: running.failed() };
            audit::record(&bus, verb, &running.queue, running.who.as_deref(), &running.handles, counts).await;
            running.end.send_replace(Some(End { interrupted }));
        });
        sweep
    }

    pub(crate) fn find(&self, id: Uuid) -> Option<Arc<Sweep>> {
        self.0.lock().iter().find(|sweep| sweep.id == id).cloned()
    }
}
