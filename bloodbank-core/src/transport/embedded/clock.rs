//! Time as the embedded bus sees it: real, or moved by a test.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Time since the bus was made.
pub(super) enum Clock {
    /// The clock on the wall.
    Real(Instant),
    /// Stands still until a test moves it; nanoseconds.
    Virtual(AtomicU64),
}

impl Clock {
    pub(super) fn real() -> Self {
        Self::Real(Instant::now())
    }

    pub(super) fn now(&self) -> Duration {
        match self {
            Self::Real(start) => start.elapsed(),
            Self::Virtual(nanos) => Duration::from_nanos(nanos.load(Ordering::Acquire)),
        }
    }

    /// Moves a virtual clock to `time`, never backwards.
    #[cfg(feature = "testing")]
    pub(super) fn move_to(&self, time: Duration) {
        if let Self::Virtual(nanos) = self {
            let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            nanos.fetch_max(time, Ordering::AcqRel);
        }
    }
}
