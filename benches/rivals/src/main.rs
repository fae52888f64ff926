//! Bloodbank beside RustStream and raw lapin, in one run, with the same bodies and broker: interleaved rounds, medians, ratios.
//!
//! Run: `cargo run --release --manifest-path benches/rivals/Cargo.toml` (starts its own RabbitMQ). Machines are noisy and drift:
//! read the ratios, not the rates.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]

#[path = "../../ratios/countdown.rs"]
mod countdown;
#[allow(dead_code, reason = "shared with another benchmark")]
#[path = "../../ratios/latency.rs"]
mod latency;
#[allow(dead_code, reason = "shared with another benchmark")]
#[path = "../../ratios/measure.rs"]
mod measure;
#[allow(dead_code, reason = "shared with another benchmark")]
#[path = "../../ratios/ours.rs"]
mod ours;
#[allow(dead_code, reason = "shared with another benchmark")]
#[path = "../../ratios/raw.rs"]
mod raw;
mod rust_stream;
#[allow(dead_code, reason = "shared with another benchmark")]
#[path = "../../ratios/sample.rs"]
mod sample;

use bloodbank::settings::QueueKind;
use bloodbank_harness::RabbitMq;
use measure::Figure;
use ours::{Ahead, Relay};
use rust_stream::Workers;

/// The number of events in a round.
const EVENTS: usize = 20_000;
/// The number of events where each waits for a confirm.
const FEW: usize = 2_000;
const ROUNDS: usize = 5;
const PREFETCH: u16 = 1000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let broker = RabbitMq::start().unwrap();
    for kind in [QueueKind::Classic, QueueKind::Quorum] {
        println!("\nRabbitMQ, {kind:?} queue, {EVENTS} events × {ROUNDS} rounds, body {} bytes", sample::body().len());
        println!("{:<52}{:>10}{:>12}{:>8}{:>8}", "", "events/s", "CPU µs/event", "rate", "CPU");
        runtime.block_on(runtime.spawn(consuming(broker.url(), kind))).unwrap();
        runtime.block_on(runtime.spawn(relaying(broker.url(), kind))).unwrap();
    }
}

async fn consuming(url: String, kind: QueueKind) {
    let ours = ours::Service::start(&url, kind, Ahead::AsItIs).await;
    let raw = raw::Client::connect(&url).await;
    let rust_stream = rust_stream::Client::new(&url, ours.exchange());
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        ours.publish(EVENTS).await;
        rounds
            .add("consume: lapin by hand, 1000 ahead, acks of 100", raw.consume(ours.queue(), EVENTS, PREFETCH).await);
        ours.publish(EVENTS).await;
        rounds.add("consume: Bloodbank, nothing set", ours.consume(EVENTS).await);
        ours.publish(EVENTS).await;
        rounds.add("consume: RustStream, 1000 ahead", rust_stream.consume(ours.queue(), EVENTS, PREFETCH).await);
    }
    rounds.print();
    raw.delete(ours.queue()).await;
    ours.close().await;
}

/// Consume, publish what follows, confirm, acknowledge.
async fn relaying(url: String, kind: QueueKind) {
    let ours = ours::Service::start(&url, kind, Ahead::Thousand).await;
    let raw = raw::Client::connect(&url).await;
    let rust_stream = rust_stream::Client::new(&url, ours.exchange());
    let [queue, sink] = ours.relay_queues(&Relay::Plain).await;
    raw.delete(ours.queue()).await;
    let mut rounds = Rounds::default();
    for _ in 0..ROUNDS {
        ours.publish(EVENTS).await;
        rounds.add("relay: lapin by hand, 128 in flight", raw.relay(&queue, ours.exchange(), EVENTS, 128).await);
        raw.purge(&sink).await;
        ours.publish(EVENTS).await;
        rounds.add("relay: Bloodbank, nothing set, in order", ours.relay(&Relay::Plain, EVENTS).await);
        raw.purge(&sink).await;
        ours.publish(FEW).await;
        rounds.add("relay: RustStream, nothing set, in order", rust_stream.relay(&queue, FEW, Workers::One).await);
        raw.purge(&sink).await;
        ours.publish(EVENTS).await;
        rounds.add("relay: RustStream, 128 workers, any order", rust_stream.relay(&queue, EVENTS, Workers::Many).await);
        raw.purge(&sink).await;
    }
    rounds.print();
    raw.delete(&queue).await;
    ours.close().await;
}

/// The rounds of each side, the first of which all are compared with.
#[derive(Default)]
struct Rounds(Vec<(&'static str, Vec<Figure>)>);

impl Rounds {
    fn add(&mut self, side: &'static str, figure: Figure) {
        let Self(sides) = self;
        match sides.iter_mut().find(|(name, _)| *name == side) {
            Some((_, figures)) => figures.push(figure),
            None => sides.push((side, vec![figure])),
        }
    }

    fn print(&self) {
        let Self(sides) = self;
        let medians: Vec<Figure> = sides.iter().map(|(_, figures)| Figure::median(figures)).collect();
        for ((side, _), Figure { rate, cpu }) in sides.iter().zip(&medians) {
            let first = medians[0];
            println!("{side:<52}{rate:>10.0}{cpu:>12.1}{:>8.2}{:>8.2}", rate / first.rate, cpu / first.cpu);
        }
    }
}
