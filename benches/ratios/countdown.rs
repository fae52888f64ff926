//! The events of a round, counted by the handler.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use crate::measure::{Figure, Round};

/// Counts from the first event of a round to its last.
#[derive(Clone, Default)]
pub(crate) struct Countdown(Arc<Counted>);

#[derive(Default)]
struct Counted {
    events: usize,
    handled: AtomicUsize,
    round: OnceLock<Round>,
    over: Notify,
}

impl Countdown {
    pub(crate) fn of(events: usize) -> Self {
        Self(Arc::new(Counted { events, ..Counted::default() }))
    }

    pub(crate) fn count(&self) {
        let Self(counted) = self;
        match counted.handled.fetch_add(1, Ordering::Relaxed) {
            0 => drop(counted.round.set(Round::begin())),
            before if before + 1 == counted.events => counted.over.notify_one(),
            _ => {}
        }
    }

    /// Waits for the last event.
    pub(crate) async fn over(&self) -> Figure {
        self.0.over.notified().await;
        self.until_now()
    }

    /// From the first event until now, where something still has to happen after the last.
    pub(crate) fn until_now(&self) -> Figure {
        self.0.round.get().unwrap().end(self.0.events)
    }
}
