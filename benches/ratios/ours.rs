//! Bloodbank as a service uses it: `publish_all` and a subscriber.

use std::sync::Arc;

use bloodbank::{
    Settings,
    dedupe::Dedupe,
    prelude::*,
    settings::QueueKind,
    store::redis::{RedisConnection, RedisLeases},
    transport::{
        Topology,
        topology::{Binding, Queue},
    },
};
use bloodbank_harness::unique;

use crate::{
    countdown::Countdown,
    latency::{Times, listen_in_time},
    measure::{Figure, Round},
    sample::{self, SentenceHeard, SentenceRelayed},
};

pub(crate) struct Service {
    bus: Bus,
    name: String,
    queue: String,
    ahead: Ahead,
}

#[subscriber(prefetch = 1000)]
async fn listen(heard: SentenceHeard, State(countdown): State<Countdown>) {
    std::hint::black_box(heard);
    countdown.count();
}

/// With nothing set.
#[subscriber]
async fn listen_as_it_is(heard: SentenceHeard, State(countdown): State<Countdown>) {
    std::hint::black_box(heard);
    countdown.count();
}

#[subscriber(prefetch = 128)]
async fn listen_128(heard: SentenceHeard, State(countdown): State<Countdown>) {
    std::hint::black_box(heard);
    countdown.count();
}

#[subscriber(prefetch = 256)]
async fn listen_256(heard: SentenceHeard, State(countdown): State<Countdown>) {
    std::hint::black_box(heard);
    countdown.count();
}

#[subscriber(prefetch = 512)]
async fn listen_512(heard: SentenceHeard, State(countdown): State<Countdown>) {
    std::hint::black_box(heard);
    countdown.count();
}

/// How many deliveries are sent ahead.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ahead {
    AsItIs,
    Few128,
    Few256,
    Few512,
    Thousand,
    /// With nothing set, and events that know when they were published.
    InTime,
}

impl Ahead {
    fn subscriber(self) -> &'static str {
        match self {
            Self::AsItIs => "listen_as_it_is",
            Self::Few128 => "listen_128",
            Self::Few256 => "listen_256",
            Self::Few512 => "listen_512",
            Self::Thousand => "listen",
            Self::InTime => "listen_in_time",
        }
    }
}

/// With nothing set: what a user meets first.
#[subscriber]
async fn relay(heard: SentenceHeard, State(countdown): State<Countdown>) -> SentenceRelayed {
    countdown.count();
    heard.into()
}

/// The same, and each event once: the marks are in Redis.
#[subscriber(dedupe(within = "1h"))]
async fn relay_once(heard: SentenceHeard, State(countdown): State<Countdown>) -> SentenceRelayed {
    countdown.count();
    heard.into()
}

/// The subscriber that relays.
#[derive(Clone)]
pub(crate) enum Relay {
    Plain,
    Once(Dedupe),
}

impl Relay {
    /// Each event once: the marks are in this Redis.
    pub(crate) fn once(redis: String) -> Self {
        let store = RedisLeases::new(RedisConnection::new(&redis.into()).unwrap());
        Self::Once(Dedupe::in_store(Arc::new(store)))
    }
}

impl Service {
    pub(crate) async fn start(url: &str, kind: QueueKind, ahead: Ahead) -> Self {
        let mut settings = Settings::default();
        settings.rabbit_url = Some(url.to_owned().into());
        settings.queue_kind = kind;
        settings.exchange_name = unique("bench");
        let bus = Bus::connect(settings).await.unwrap();
        let name = unique("bench");
        let queue = format!("{name}.{}", ahead.subscriber());
        let service = Self { bus, name, queue, ahead };
        // Declares the queue.
        service.app(Countdown::default()).await.shutdown().await.unwrap();
        service
    }

    async fn app(&self, countdown: Countdown) -> bloodbank::RunningApp {
        let app = App::new(&*self.name, self.bus.clone()).state(countdown).state(Times::new());
        let app = match self.ahead {
            Ahead::AsItIs => app.subscribe(listen_as_it_is),
            Ahead::Few128 => app.subscribe(listen_128),
            Ahead::Few256 => app.subscribe(listen_256),
            Ahead::Few512 => app.subscribe(listen_512),
            Ahead::Thousand => app.subscribe(listen),
            Ahead::InTime => app.subscribe(listen_in_time),
        };
        app.start().await.unwrap()
    }

    pub(crate) fn bus(&self) -> &Bus {
        &self.bus
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
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
        assert!(receipts.iter().all(|receipt| receipt.as_ref().is_ok_and(|receipt| receipt.unrouted == Some(false))));
        figure
    }

    pub(crate) async fn consume(&self, events: usize) -> Figure {
        let countdown = Countdown::of(events);
        let app = self.app(countdown.clone()).await;
        let figure = countdown.over().await;
        app.shutdown().await.unwrap();
        figure
    }

    /// The queue of the subscriber that relays, and the one where what it relays goes, both declared.
    pub(crate) async fn relay_queues(&self, relay: &Relay) -> [String; 2] {
        let sink: Arc<str> = format!("{}.sink", self.name).into();
        let binding = Binding {
            exchange: Arc::clone(self.bus.exchange()),
            queue: Arc::clone(&sink),
            pattern: sample::RELAYED.into(),
        };
        let queue = Queue::new(Arc::clone(&sink), self.bus.settings().queue_kind);
        let topology = Topology::default().queues([queue]).bindings([binding]);
        self.bus.transport().declare(topology).await.unwrap();
        self.relaying(relay, Countdown::default()).await.shutdown().await.unwrap();
        let subscriber = match relay {
            Relay::Plain => "relay",
            Relay::Once(_) => "relay_once",
        };
        [format!("{}.{subscriber}", self.name), sink.to_string()]
    }

    async fn relaying(&self, kind: &Relay, countdown: Countdown) -> bloodbank::RunningApp {
        let app = App::new(&*self.name, self.bus.clone()).state(countdown);
        let app = match kind {
            Relay::Plain => app.subscribe(relay),
            Relay::Once(dedupe) => app.dedupe(dedupe.clone()).subscribe(relay_once),
        };
        app.start().await.unwrap()
    }

    pub(crate) async fn relay(&self, relay: &Relay, events: usize) -> Figure {
        let countdown = Countdown::of(events);
        let app = self.relaying(relay, countdown.clone()).await;
        countdown.over().await;
        // Until everything is settled.
        app.shutdown().await.unwrap();
        countdown.until_now()
    }

    pub(crate) async fn close(self) {
        self.bus.close().await;
    }
}
