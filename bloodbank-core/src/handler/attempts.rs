//! The attempts that run now, for the watchdog that looks for handlers which block their thread.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tracing::warn;

use super::{Context, time_limit::tolerance};

/// The attempts of one subscriber that run now.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<Vec<Arc<Running>>>);

/// An attempt that runs.
struct Running {
    context: Context,
    what: &'static str,
    begin: Instant,
    /// Whether the work has its thread: an attempt that waits blocks nobody.
    has_thread: AtomicBool,
    /// The milliseconds after which it is named again.
    named_after: AtomicU64,
}

impl Attempts {
    /// Runs the work of an attempt where the watchdog can see it.
    pub(super) async fn watch<T>(context: &Context, what: &'static str, work: impl Future<Output = T>) -> T {
        let running = Arc::new(Running {
            context: context.clone(),
            what,
            begin: Instant::now(),
            has_thread: AtomicBool::new(false),
            named_after: AtomicU64::new(0),
        });
        context.attempts().0.lock().push(Arc::clone(&running));
        let watched = Watched(running);
        let mut work = pin!(work);
        poll_fn(|cx| {
            watched.0.has_thread.store(true, Relaxed);
            let polled = work.as_mut().poll(cx);
            watched.0.has_thread.store(false, Relaxed);
            polled
        })
        .await
    }

    /// Names the handlers that block their thread beyond their limit: once, and again each time after twice as long.
    pub(crate) fn name_blocked(&self) {
        let blocked: Vec<_> = self.0.lock().iter().filter(|running| running.is_blocked()).map(Arc::clone).collect();
        for running in blocked {
            running.name();
        }
    }
}

impl Running {
    fn is_blocked(&self) -> bool {
        let timeout = self.context.timeout();
        self.has_thread.load(Relaxed) && self.begin.elapsed() > timeout.saturating_add(tolerance(timeout))
    }

    fn name(&self) {
        let (elapsed, context, what) = (self.begin.elapsed(), &self.context, self.what);
        if elapsed < Duration::from_millis(self.named_after.load(Relaxed)) {
            return;
        }
        self.named_after.store(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).saturating_mul(2), Relaxed);
        warn!(
            queue = context.queue(), event_id = %context.event_id(), key = context.key(), attempt = context.attempt(),
            "{what} has blocked its thread for {elapsed:.1?} and cannot be stopped after {:?}: move what blocks into `tokio::task::spawn_blocking`",
            context.timeout()
        );
    }
}

/// Takes an attempt out of the list when it ends, however it does.
struct Watched(Arc<Running>);

impl Drop for Watched {
    fn drop(&mut self) {
        let mut running = self.0.context.attempts().0.lock();
        if let Some(place) = running.iter().position(|other| Arc::ptr_eq(other, &self.0)) {
            running.swap_remove(place);
        }
    }
}
