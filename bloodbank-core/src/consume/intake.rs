//! The intake of one subscriber: its deliveries, at its rate, unless it is paused.

use std::{future::pending, sync::Arc, time::Duration};

use futures_util::StreamExt;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tracing::warn;

use crate::{
    error::Result,
    publish::Bus,
    registry::{Rate, SubscriberOptions},
    transport::{Deliveries, Delivery},
};

/// Where the deliveries of a subscriber come from, and how many may be unsettled: at first, and once they are settled quickly.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) queue: Arc<str>,
    pub(crate) prefetch: u16,
    pub(crate) most: u16,
}

impl Source {
    pub(crate) fn of(queue: &Arc<str>, options: &SubscriberOptions) -> Self {
        let (first, most) = (options.effective_prefetch(), options.most_prefetch());
        let at_once = options.concurrency;
        Self { queue: Arc::clone(queue), prefetch: first.max(at_once), most: most.max(at_once) }
    }

    pub(crate) async fn consume(&self, bus: &Bus) -> Result<Deliveries> {
        bus.transport().consume_ahead(Arc::clone(&self.queue), self.prefetch, self.most).await
    }
}

/// The deliveries of a subscriber.
pub(crate) struct Intake {
    bus: Bus,
    source: Source,
    /// `None` while the subscriber is paused: what the broker has sent ahead is there for others meanwhile.
    deliveries: Option<Deliveries>,
    paused: watch::Receiver<bool>,
    pace: Option<Pace>,
    /// While it is true, the intake is over when nothing has come for a while.
    draining: Option<watch::Receiver<bool>>,
}

/// The time after which a queue that is being drained counts as empty: what is on its way has come by then.
const QUIET: Duration = Duration::from_millis(500);

impl Intake {
    pub(crate) fn new(
        bus: Bus,
        source: Source,
        deliveries: Deliveries,
        paused: watch::Receiver<bool>,
        rate: Option<Rate>,
    ) -> Self {
        Self { bus, source, deliveries: Some(deliveries), paused, pace: rate.map(Pace::new), draining: None }
    }

    /// Ends the intake while this is true, once nothing has come for a while.
    pub(super) fn until_drained(mut self, draining: watch::Receiver<bool>) -> Self {
        self.draining = Some(draining);
        self
    }

    /// The next delivery, when it may be handled; `None`: the transport is closed, or the queue is drained. Nothing is lost when the
    /// future is dropped.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        loop {
            if *self.paused.borrow_and_update() {
                self.deliveries = None;
                changed(&mut self.paused).await;
                continue;
            }
            let Some(deliveries) = &mut self.deliveries else {
                self.deliveries = consume(&self.bus, &self.source).await;
                continue;
            };
            let (pace, draining) = (&mut self.pace, &mut self.draining);
            let next = async {
                if let Some(pace) = pace {
                    pace.ready().await;
                }
                let next = deliveries.next().await;
                if let Some(pace) = pace {
                    pace.step();
                }
                next
            };
            tokio::select! {
                // Looked at where nothing waits: a delivery that is there needs no other look.
                biased;
                next = next => return next,
                () = changed(&mut self.paused) => {}
                () = quiet(draining) => return None,
            }
        }
    }
}

/// Resolves when the queue is to be drained, and has been quiet for a while since: begun anew with each delivery.
async fn quiet(draining: &mut Option<watch::Receiver<bool>>) {
    let Some(draining) = draining else { return pending().await };
    loop {
        if draining.wait_for(|draining| *draining).await.is_err() {
            return pending().await;
        }
        sleep(QUIET).await;
        if *draining.borrow() {
            return;
        }
    }
}

/// Consumes again after a pause; `None`: it cannot be now.
async fn consume(bus: &Bus, source: &Source) -> Option<Deliveries> {
    match source.consume(bus).await {
        Ok(deliveries) => Some(deliveries),
        Err(error) => {
            warn!(queue = &*source.queue, %error, "a subscriber that was paused cannot go on yet; trying again");
            sleep(Duration::from_secs(1)).await;
            None
        }
    }
}

/// Resolves when the subscriber is paused or resumed.
async fn changed(paused: &mut watch::Receiver<bool>) {
    if paused.changed().await.is_err() {
        // Nobody can.
        pending::<()>().await;
    }
}

/// Spreads events over time.
struct Pace {
    interval: Duration,
    /// The time from which the next event may be handled.
    next: Instant,
}

/// How far behind its pace a subscriber may catch up: timers are no finer than some milliseconds.
const CATCH_UP: Duration = Duration::from_millis(20);

impl Pace {
    fn new(rate: Rate) -> Self {
        Self { interval: rate.interval(), next: Instant::now() }
    }

    async fn ready(&self) {
        if self.next > Instant::now() {
            sleep_until(self.next).await;
        }
    }

    fn step(&mut self) {
        let now = Instant::now();
        let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
        self.next = self.next.max(earliest) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pace_is_kept_on_average_and_a_rest_is_not_made_up_for() {
        let mut pace = Pace::new(Rate { events: 100, per: Duration::from_secs(1) });
        tokio::time::advance(Duration::from_secs(60)).await;
        let begin = Instant::now();
        for _ in 0..203 {
            pace.ready().await;
            pace.step();
        }
        // Two events at once after the rest, the others 10 ms apart.
        let took = begin.elapsed();
        assert!((Duration::from_millis(1990)..Duration::from_millis(2010)).contains(&took), "{took:?}");
    }
}
