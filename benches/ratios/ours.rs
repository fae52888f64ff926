//! Bloodbank, as a service uses it: `publish_all`, and a subscriber.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bloodbank::{Settings, prelude::*, transport::topology::QueueKind};
use bloodbank_harness::unique;
use tokio::sync::Notify;

use crate::{
    measure::{Figure, Round},
    sample::{self, SentenceHeard},
};

pub(crate) struct Service {
    bus: Bus,
    name: String,
    queue: String,
}

/// Counts down to the end of a round.
#[derive(Clone, Default)]
struct Countdown(Arc<(AtomicUsize, Notify)>);

#[subscriber(prefetch = 1000)]
async fn listen(heard: SentenceHeard, State(left): State<Countdown>) {
    std::hint::black_box(heard);
    if left.0.0.fetch_sub(1, Ordering::Relaxed) == 1 {
        left.0.1.notify_one();
    }
}

impl Service {
    pub(crate) async fn start(url: &str, kind: QueueKind) -> Self {
        let mut settings = Settings::default();
        settings.rabbit_url = Some(url.to_owned().into());
        settings.queue_kind = kind;
        settings.exchange_name = unique("bench");
        let bus = Bus::connect(settings).await.unwrap();
        let name = unique("bench");
        let queue = format!("{name}.listen");
        let service = Self { bus, name, queue };
        // Declares the queue.
        service.app(Countdown::default()).await.shutdown().await.unwrap();
        service
    }

    async fn app(&self, left: Countdown) -> bloodbank::RunningApp {
        App::new(&*self.name, self.bus.clone()).state(left).subscribe(listen).start().await.unwrap()
    }

    pub(crate) fn exchange(&self) -> &str {
        self.bus.exchange()
    }

    pub(crate) fn queue(&self) -> &str {
        &self.queue
    }

    pub(crate) async fn publish(&self, events: usize) -> Figure {
        let bus = self.bus.clone();
        // In a task, as in a service; the main thread of a runtime is no worker.
        let published = tokio::spawn(async move {
            let round = Round::begin();
            let receipts = bus.publish_all((0..events).map(|_| sample::event())).await;
            let figure = round.end(events);
            assert!(receipts.iter().all(|receipt| receipt.as_ref().is_ok_and(|receipt| !receipt.unrouted)));
            figure
        });
        published.await.unwrap()
    }

    pub(crate) async fn consume(&self, events: usize) -> Figure {
        let left = Countdown::default();
        left.0.0.store(events, Ordering::Relaxed);
        let round = Round::begin();
        let app = self.app(left.clone()).await;
        left.0.1.notified().await;
        let figure = round.end(events);
        app.shutdown().await.unwrap();
        figure
    }

    pub(crate) async fn close(self) {
        self.bus.close().await;
    }
}
