//! Under load, a consumer looks for deliveries now and then and is not woken by each of them.
//!
//! Where handling a delivery takes no longer than receiving it, every delivery would find its consumer asleep, and waking it
//! costs as much as handling. A consumer that had many since it last looked at the clock sleeps for [`NAP`] and finds a
//! handful; one that had few is woken by the next.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep};

/// How long it sleeps; the clock of the runtime makes it up to twice as much.
const NAP: Duration = Duration::from_millis(1);
/// So many deliveries per nap are worth it.
const WORTH: u32 = 12;
/// So many naps must fit into what the broker sends ahead: it shall never wait for this consumer to wake up.
const AHEAD: u32 = 6;

pub(super) struct Nap {
    sleep: Pin<Box<Sleep>>,
    asleep: bool,
    /// Since then so many were handed out.
    since: Instant,
    taken: u32,
    most: u32,
}

impl Nap {
    pub(super) fn new(prefetch: u16) -> Self {
        Self {
            sleep: Box::pin(sleep(NAP)),
            asleep: false,
            since: Instant::now(),
            taken: 0,
            most: u32::from(prefetch) / AHEAD,
        }
    }

    pub(super) fn handed_out(&mut self) {
        self.taken = self.taken.saturating_add(1);
    }

    /// Begins when there is nothing to hand out, and much was: whether it does.
    pub(super) fn begin(&mut self) -> bool {
        let now = Instant::now();
        let elapsed = now - self.since;
        if elapsed < NAP {
            return false;
        }
        let rate = f64::from(self.taken) / elapsed.div_duration_f64(NAP);
        (self.since, self.taken) = (now, 0);
        if rate < f64::from(WORTH) || rate > f64::from(self.most) {
            return false;
        }
        self.sleep.as_mut().reset(tokio::time::Instant::from_std(now) + NAP);
        self.asleep = true;
        true
    }

    /// Pending while it lasts.
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

    async fn naps_after(prefetch: u16, deliveries: u32) -> bool {
        let mut nap = Nap::new(prefetch);
        (0..deliveries).for_each(|_| nap.handed_out());
        // Whatever time has passed, the rate is per nap.
        nap.since = Instant::now().checked_sub(NAP).unwrap_or(nap.since);
        let naps = nap.begin();
        let pending = nap.poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending();
        assert_eq!(naps, pending);
        poll_fn(|context| nap.poll(context)).await;
        naps
    }

    #[tokio::test]
    async fn many_deliveries_are_waited_for_few_are_not() {
        assert!(!naps_after(1000, 0).await);
        assert!(!naps_after(1000, WORTH / 2).await);
        assert!(naps_after(1000, 60).await);
    }

    #[tokio::test]
    async fn the_broker_does_not_wait_for_a_nap_to_end() {
        assert!(!naps_after(1, 60).await);
        assert!(!naps_after(128, 60).await);
        assert!(!naps_after(1000, 500).await);
    }
}
