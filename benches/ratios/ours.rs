//! Bloodbank as a service uses it: `publish_all` and a subscriber.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use bloodbank::{Settings, prelude::*, settings::QueueKind};
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

/// Counts down from the first event of a round to its end.
#[derive(Clone, Default)]
struct Countdown(Arc<Counted>);

#[derive(Default)]
struct Counted {
    events: usize,
    handled: AtomicUsize,
    round: OnceLock<Round>,
    over: Notify,
}

#[subscriber(prefetch = 1000)]
async fn listen(heard: SentenceHeard, State(Countdown(counted)): State<Countdown>) {
    std::hint::black_box(heard);
    match counted.handled.fetch_add(1, Ordering::Relaxed) {
        0 => drop(counted.round.set(Round::begin())),
        before if before + 1 == counted.events => counted.over.notify_one(),
        _ => {}
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

    async fn app(&self, countdown: Countdown) -> bloodbank::RunningApp {
        App::new(&*self.name, self.bus.clone()).state(countdown).subscribe(listen).start().await.unwrap()
    }

    pub(crate) fn exchange(&self) -> &str {
        self.bus.exchange()
    }

    pub(crate) fn queue(&self) -> &str {
        &self.queue
    }

    pub(crate) async fn publish(&self, events: usize) -> Figure {
        let round = Round::begin();
        let receipts = self.bus.publish_all((0..events).map(|_| sample::event())).await;
        let figure = round.end(events);
        assert!(receipts.iter().all(|receipt| receipt.as_ref().is_ok_and(|receipt| !receipt.unrouted)));
        figure
    }

    pub(crate) async fn consume(&self, events: usize) -> Figure {
        let counted = Arc::new(Counted { events, ..Default::default() });
        let app = self.app(Countdown(Arc::clone(&counted))).await;
        counted.over.notified().await;
        let figure = counted.round.get().unwrap().end(events);
        app.shutdown().await.unwrap();
        figure
    }

    pub(crate) async fn close(self) {
        self.bus.close().await;
    }
}
