//! Throttling of wake-ups: under load a consumer polls for deliveries at intervals, instead of being woken by each of them.
//!
//! Where handling a delivery takes no longer than receiving it, every delivery would find its consumer asleep, and waking it
//! costs as much as handling. A consumer with many deliveries per interval sleeps for [`POLL_INTERVAL`] and finds a handful; a
//! consumer with few is woken by the next delivery.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep};

/// The time between two polls; the runtime's clock makes it up to twice as long.
const POLL_INTERVAL: Duration = Duration::from_millis(1);
/// The number of deliveries per interval from which throttling pays.
const MIN_RATE: u32 = 12;
/// The number of intervals whose deliveries fit into the prefetch: the broker must never wait for this consumer to wake up.
const INTERVALS_AHEAD: u32 = 6;

/// Decides when a consumer polls at intervals.
pub(super) struct WakeupThrottle {
    sleep: Pin<Box<Sleep>>,
    asleep: bool,
    /// The begin of the current measurement of the rate.
    since: Instant,
    /// The number of deliveries that were handed out since then.
    taken: u32,
    /// The number of deliveries per interval above which the broker might have to wait.
    max_rate: u32,
}

impl WakeupThrottle {
    pub(super) fn new(prefetch: u16) -> Self {
        Self {
            sleep: Box::pin(sleep(POLL_INTERVAL)),
            asleep: false,
            since: Instant::now(),
            taken: 0,
            max_rate: u32::from(prefetch) / INTERVALS_AHEAD,
        }
    }

    /// Counts a delivery that was handed out.
    pub(super) fn handed_out(&mut self) {
        self.taken = self.taken.saturating_add(1);
    }

    /// Starts an interval when no delivery is there but many were lately; `false` when it does not.
    pub(super) fn begin(&mut self) -> bool {
        let now = Instant::now();
        let elapsed = now - self.since;
        if elapsed < POLL_INTERVAL {
            return false;
        }
        let rate = f64::from(self.taken) / elapsed.div_duration_f64(POLL_INTERVAL);
        (self.since, self.taken) = (now, 0);
        if rate < f64::from(MIN_RATE) || rate > f64::from(self.max_rate) {
            return false;
        }
        self.sleep.as_mut().reset(tokio::time::Instant::from_std(now) + POLL_INTERVAL);
        self.asleep = true;
        true
    }

    /// Pending while the interval lasts.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.asleep && self.sleep.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.asleep = false;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn throttles_after(prefetch: u16, deliveries: u32) -> bool {
        let mut throttle = WakeupThrottle::new(prefetch);
        (0..deliveries).for_each(|_| throttle.handed_out());
        // The rate is per interval, however much time has passed.
        throttle.since = Instant::now().checked_sub(POLL_INTERVAL).unwrap_or(throttle.since);
        let throttles = throttle.begin();
        let pending = throttle.poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending();
        assert_eq!(throttles, pending);
        poll_fn(|context| throttle.poll(context)).await;
        throttles
    }

    #[tokio::test]
    async fn only_a_high_rate_is_throttled() {
        assert!(!throttles_after(1000, 0).await);
        assert!(!throttles_after(1000, MIN_RATE / 2).await);
        assert!(throttles_after(1000, 60).await);
    }

    #[tokio::test]
    async fn the_broker_never_waits_for_an_interval_to_end() {
        assert!(!throttles_after(1, 60).await);
        assert!(!throttles_after(128, 60).await);
        assert!(!throttles_after(1000, 500).await);
    }
}
