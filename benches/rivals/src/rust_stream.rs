//! RustStream as a service uses it, on a queue that exists.

use std::convert::Infallible;

use bloodbank::EventEnvelope;
use ruststream_lapin::prelude::*;
use serde::Serialize;

use crate::{
    countdown::Countdown,
    measure::Figure,
    sample::{self, SentenceHeard, SentenceRelayed},
};

/// What its handlers get.
#[derive(FromRef)]
struct AppState {
    countdown: Countdown,
}

/// What follows an event, in the envelope that all sides put on the wire.
#[derive(Serialize, Outgoing)]
#[outgoing(name = "bench.sentence.relayed")]
#[serde(transparent)]
struct Relayed(EventEnvelope<SentenceRelayed>);

#[subscriber("bench")]
async fn listen(heard: &EventEnvelope<SentenceHeard>, State(countdown): State<Countdown>) -> HandlerOutcome {
    std::hint::black_box(heard);
    countdown.count();
    HandlerOutcome::ack()
}

/// With nothing set: one at a time.
#[subscriber("bench")]
async fn relay(
    heard: &EventEnvelope<SentenceHeard>,
    State(countdown): State<Countdown>,
    Out(out): Out<impl Publisher>,
) -> HandlerOutcome {
    countdown.count();
    let relayed = Relayed(sample::relayed_envelope(heard.clone()));
    if out.message(&relayed).publish().await.is_err() {
        return HandlerOutcome::retry();
    }
    HandlerOutcome::ack()
}

/// The same, 128 at a time, in any order.
#[subscriber("bench", workers(128))]
async fn relay_128(
    heard: &EventEnvelope<SentenceHeard>,
    State(countdown): State<Countdown>,
    Out(out): Out<impl Publisher>,
) -> HandlerOutcome {
    countdown.count();
    let relayed = Relayed(sample::relayed_envelope(heard.clone()));
    if out.message(&relayed).publish().await.is_err() {
        return HandlerOutcome::retry();
    }
    HandlerOutcome::ack()
}

/// How many events a handler works on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Workers {
    One,
    Many,
}

pub(crate) struct Client {
    url: String,
    exchange: String,
}

impl Client {
    pub(crate) fn new(url: &str, exchange: &str) -> Self {
        Self { url: url.to_owned(), exchange: exchange.to_owned() }
    }

    pub(crate) async fn consume(&self, queue: &str, events: usize, prefetch: u16) -> Figure {
        let countdown = Countdown::of(events);
        let (source, state) = (queue_as_declared(queue, prefetch), AppState { countdown: countdown.clone() });
        let running = RustStream::new(AppInfo::new("bench", "0.1.0"))
            .on_startup(async move |()| Ok::<_, Infallible>(state))
            .with_broker(LapinBroker::new(&*self.url), |b| {
                b.include(listen.map_source(|_| source));
            })
            .start()
            .await
            .unwrap();
        let figure = countdown.over().await;
        running.shutdown().await.unwrap();
        figure
    }

    /// Consumes, publishes another event for each, and acknowledges when that is confirmed.
    pub(crate) async fn relay(&self, queue: &str, events: usize, workers: Workers) -> Figure {
        let countdown = Countdown::of(events);
        let (source, state) = (queue_as_declared(queue, 128), AppState { countdown: countdown.clone() });
        let publish = TransactionalPublish::default().exchange(&*self.exchange);
        let running = RustStream::new(AppInfo::new("bench", "0.1.0"))
            .on_startup(async move |()| Ok::<_, Infallible>(state))
            .with_broker(LapinBroker::new(&*self.url), |b| match workers {
                Workers::One => {
                    b.include(relay.map_source(|_| source)).out(DefaultSlot, publish).build();
                }
                Workers::Many => {
                    b.include(relay_128.map_source(|_| source)).out(DefaultSlot, publish).build();
                }
            })
            .start()
            .await
            .unwrap();
        countdown.over().await;
        // Until everything is settled.
        running.shutdown().await.unwrap();
        countdown.until_now()
    }
}

/// Only consumed: nothing is declared unless the broker is asked to.
fn queue_as_declared(name: &str, prefetch: u16) -> RabbitQueue {
    RabbitQueue::new(name).durable(true).prefetch(prefetch.try_into().unwrap())
}
