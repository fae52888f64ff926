//! The time limit of a handler.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tracing::warn;

use super::{
    Context, HandlerError,
    error::{panicked, timed_out},
};

/// Runs the work of a handler within the time limit of its attempt; a panic becomes an error. `what` names the work.
///
/// A timer stops work where it awaits. Work that blocks its thread is not stopped, which is said once it has ended.
pub(crate) async fn limited<T>(
    what: &str,
    context: &Context,
    work: impl Future<Output = T>,
) -> Result<T, HandlerError> {
    let timeout = context.timeout();
    let start = Instant::now();
    let result = match tokio::time::timeout(timeout, AssertUnwindSafe(work).catch_unwind()).await {
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
fn tolerance(timeout: Duration) -> Duration {
    (timeout / 4).max(Duration::from_millis(100))
}
