//! The cost of the framework without a broker.

use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use bloodbank::{EventEnvelope, Registry, event::Payload, prelude::*};

use crate::{
    ROUNDS,
    measure::{Figure, Round},
    sample::{self, SentenceHeard},
};

const EVENTS: usize = 200_000;

#[derive(Clone, Default)]
struct Handled(Arc<AtomicUsize>);

#[subscriber]
async fn listen(heard: SentenceHeard, State(handled): State<Handled>) {
    black_box(heard);
    handled.0.fetch_add(1, Ordering::Relaxed);
}

pub(crate) async fn run() {
    let figure = Figure::median(&publish_to_handler().await);
    println!("publish → typed handler, CPU µs/event: {:.2} ({:.0} events/s)", figure.cpu, figure.rate);

    let json = sample::body();
    let envelope = <SentenceHeard as Payload>::decode(json).unwrap();
    let encode = nanos(|| serde_json::to_vec(black_box(&envelope)).unwrap().len());
    let decode = nanos(|| serde_json::from_slice::<EventEnvelope<SentenceHeard>>(black_box(json)).unwrap().payload);
    println!(
        "  of that JSON ({} bytes): encode {encode:.0} ns, decode {decode:.0} ns, clone of the event {:.0} ns",
        json.len(),
        nanos(|| envelope.payload.clone())
    );
    let registry = Registry::global();
    println!("registry lookup by key: {:.0} ns", nanos(|| registry.event(black_box(sample::KEY)).unwrap()));
}

/// Publishes one event after the other while the subscriber keeps pace: on the embedded bus a publish is confirmed at once.
async fn publish_to_handler() -> Vec<Figure> {
    let bus = Bus::embedded();
    let handled = Handled::default();
    let app = App::new("bench", bus.clone()).state(handled.clone()).subscribe(listen).start().await.unwrap();
    let event = sample::event();
    let mut rounds = Vec::new();
    for number in 1..=ROUNDS {
        let round = Round::begin();
        for _ in 0..EVENTS {
            bus.publish(event.clone()).await.unwrap();
        }
        while handled.0.load(Ordering::Relaxed) < number * EVENTS {
            tokio::task::yield_now().await;
        }
        rounds.push(round.end(EVENTS));
    }
    app.shutdown().await.unwrap();
    rounds
}

fn nanos<T>(mut run: impl FnMut() -> T) -> f64 {
    const TIMES: u32 = 200_000;
    let start = Instant::now();
    for _ in 0..TIMES {
        black_box(run());
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(TIMES)
}
