//! The time limit of a handler.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tracing::warn;

use super::{
    Attempts, Context, HandlerError,
    error::{panicked, timed_out},
};

/// Runs the work of a handler within the time limit of its attempt; a panic becomes an error. `what` names the work.
///
/// A timer stops work where it awaits. Work that blocks its thread is not stopped: the watchdog of the app says so meanwhile,
/// and a line once it has ended.
pub(crate) async fn limited<T>(
    what: &'static str,
    context: &Context,
    work: impl Future<Output = T>,
) -> Result<T, HandlerError> {
    let timeout = context.timeout();
    let start = Instant::now();
    let work = Attempts::watch(context, what, AssertUnwindSafe(work).catch_unwind());
    let result = match tokio::time::timeout(timeout, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(panic)) => Err(panicked(what, &*panic)),
        Err(_) => Err(timed_out(what, timeout)),
    };
    let elapsed = start.elapsed();
    if elapsed > timeout.saturating_add(tolerance(timeout)) {
        warn!(
            queue = context.queue(), event_id = %context.event_id(), key = context.key(), attempt = context.attempt(),
            "{what} took {elapsed:.1?} and could not be stopped after {timeout:?}: it blocks its thread; move what blocks into `tokio::task::spawn_blocking`"
        );
    }
    result
}

/// The delay with which a timer may fire on a busy machine.
pub(super) fn tolerance(timeout: Duration) -> Duration {
    (timeout / 4).max(Duration::from_millis(100))
}
