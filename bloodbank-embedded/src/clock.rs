//! Time as the embedded bus sees it: real, or moved by a test.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Time since the bus was made.
pub(super) enum Clock {
    /// The clock on the wall.
    Real {
        /// When the bus was made.
        start: Instant,
        /// The same moment, since 1970.
        #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only a file outlives the bus"))]
        epoch: Duration,
    },
    /// Stands still until a test moves it; nanoseconds.
    #[cfg_attr(not(any(test, feature = "virtual-time")), allow(dead_code, reason = "made by tests"))]
    Virtual(AtomicU64),
}

impl Clock {
    pub(super) fn real() -> Self {
        Self::Real { start: Instant::now(), epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    pub(super) fn now(&self) -> Duration {
        match self {
            Self::Real { start, .. } => start.elapsed(),
            Self::Virtual(nanos) => Duration::from_nanos(nanos.load(Ordering::Acquire)),
        }
    }

    /// When the bus was made, since 1970: what turns its times into times that mean something after a restart.
    #[cfg(feature = "sqlite")]
    pub(super) fn epoch(&self) -> Duration {
        match self {
            Self::Real { epoch, .. } => *epoch,
            Self::Virtual(_) => Duration::ZERO,
        }
    }

    /// Moves a virtual clock to `time`, never backwards.
    #[cfg(any(test, feature = "virtual-time"))]
    pub(super) fn move_to(&self, time: Duration) {
        if let Self::Virtual(nanos) = self {
            let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            nanos.fetch_max(time, Ordering::AcqRel);
        }
    }
}
