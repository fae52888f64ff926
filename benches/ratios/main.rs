//! Bloodbank against raw lapin, in one run, with the same body, window and broker: interleaved rounds, medians, ratios.
//!
//! Run: `cargo bench --bench ratios` (starts its own RabbitMQ), or a part: `cargo bench --bench ratios -- publish`. Machines
//! are noisy and drift: read the ratios, not the rates.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on has nothing to say")]

mod countdown;
mod in_process;
mod latency;
mod measure;
mod ours;
mod raw;
mod sample;

use bloodbank::settings::QueueKind;
use bloodbank_harness::{RabbitMq, Redis};
use measure::{Figure, ratio};
use ours::{Ahead, Relay};

/// The number of events in a round.
const EVENTS: usize = 40_000;
const ROUNDS: usize = 5;
/// The number of events in flight.
const WINDOW: usize = 256;
const PREFETCH: u16 = 1000;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let part = std::env::args().nth(1).filter(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| part.as_deref().is_none_or(|part| part == name);
    if wanted("in-process") {
        println!("in process (embedded bus in memory, default allocator)");
        runtime.block_on(runtime.spawn(in_process::run())).unwrap();
    }
    if !["publish", "consume", "latency", "prefetch", "relay"].into_iter().any(wanted) {
        return;
    }
    let (broker, redis) = (RabbitMq::start().unwrap(), Redis::start().unwrap());
    // Both sides in tasks, as in a service: the main thread of a runtime is no worker.
    for kind in [QueueKind::Classic, QueueKind::Quorum] {
        println!("\nRabbitMQ, {kind:?} queue, {EVENTS} events × {ROUNDS} rounds, body {} bytes", sample::body().len());
        println!("{:<44}{:>12}{:>12}{:>8}", "", "raw lapin", "Bloodbank", "ratio");
        if wanted("publish") {
            runtime.block_on(runtime.spawn(publishing(broker.url(), kind))).unwrap();
        }
        if wanted("consume") {
            runtime.block_on(runtime.spawn(consuming(broker.url(), kind, Ahead::Thousand))).unwrap();
        }
        if wanted("latency") {
            runtime.block_on(runtime.spawn(in_time(broker.url(), kind))).unwrap();
        }
        if wanted("prefetch") {
            for ahead in [Ahead::AsItIs, Ahead::Few128, Ahead::Few256, Ahead::Few512, Ahead::Thousand] {
                println!("{ahead:?}");
                runtime.block_on(runtime.spawn(consuming(broker.url(), kind, ahead))).unwrap();
            }
        }
        if wanted("relay") {
            let once = runtime.block_on(async { Relay::once(redis.url()) });
            for relay in [Relay::Plain, once] {
                runtime.block_on(runtime.spawn(relaying(broker.url(), kind, relay))).unwrap();
            }
        }
    }
}

async fn publishing(url: String, kind: QueueKind) {
    let ours = ours::Service::start(&url, kind, Ahead::Thousand).await;
    let raw = raw::Client::connect(&url).await;
    let (mut theirs_all, mut ours_all) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs_all.push(raw.publish(ours.exchange(), sample::KEY, EVENTS, WINDOW).await);
        raw.purge(ours.queue()).await;
        ours_all.push(ours.publish(EVENTS).await);
        raw.purge(ours.queue()).await;
    }
    let (theirs, ours_median) = (Figure::median(&theirs_all), Figure::median(&ours_all));
    ratio("publish, confirmed, window 256, events/s", theirs.rate, ours_median.rate);
    ratio("publish, CPU of the client, µs/event", theirs.cpu, ours_median.cpu);
    raw.delete(ours.queue()).await;
    ours.close().await;
}

/// Consume, publish what follows, confirm, acknowledge: by hand with 128 in flight, and a subscriber with nothing set, or one that
/// handles each event once besides.
async fn relaying(url: String, kind: QueueKind, relay: Relay) {
    let ours = ours::Service::start(&url, kind, Ahead::Thousand).await;
    let raw = raw::Client::connect(&url).await;
    let [queue, sink] = ours.relay_queues(&relay).await;
    raw.delete(ours.queue()).await;
    let (mut theirs_all, mut ours_all) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        // Each with an id of its own.
        ours.publish(EVENTS).await;
        theirs_all.push(raw.relay(&queue, ours.exchange(), EVENTS, 128).await);
        raw.purge(&sink).await;
        ours.publish(EVENTS).await;
        ours_all.push(ours.relay(&relay, EVENTS).await);
        raw.purge(&sink).await;
    }
    let (theirs, ours_median) = (Figure::median(&theirs_all), Figure::median(&ours_all));
    let (row, cpu) = match relay {
        Relay::Plain => ("consume → follow-up → confirm → ack, events/s", "the same, CPU of the client, µs/event"),
        Relay::Once(_) => ("the same with `dedupe` on Redis, events/s", "the same with `dedupe`, CPU, µs/event"),
    };
    ratio(row, theirs.rate, ours_median.rate);
    ratio(cpu, theirs.cpu, ours_median.cpu);
    raw.delete(&queue).await;
    ours.close().await;
}

async fn in_time(url: String, kind: QueueKind) {
    let ours = ours::Service::start(&url, kind, Ahead::InTime).await;
    let raw = raw::Client::connect(&url).await;
    let (mut theirs, mut all) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(latency::raw(&raw, ours.exchange(), ours.queue()).await);
        all.push(latency::ours(&ours).await);
    }
    for (what, percentile) in [("publish to handler at 1,000/s, median, ms", 0), ("the same, 99th percentile, ms", 1)] {
        let of = |rounds: &[[f64; 2]]| measure::median(rounds.iter().map(|round| round[percentile]));
        ratio(what, of(&theirs), of(&all));
    }
    raw.delete(ours.queue()).await;
    ours.close().await;
}

async fn consuming(url: String, kind: QueueKind, ahead: Ahead) {
    let ours = ours::Service::start(&url, kind, ahead).await;
    let raw = raw::Client::connect(&url).await;
    let (mut theirs_all, mut ours_all) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        raw.publish(ours.exchange(), sample::KEY, EVENTS, WINDOW).await;
        theirs_all.push(raw.consume(ours.queue(), EVENTS, PREFETCH).await);
        raw.publish(ours.exchange(), sample::KEY, EVENTS, WINDOW).await;
        ours_all.push(ours.consume(EVENTS).await);
    }
    let (theirs, ours_median) = (Figure::median(&theirs_all), Figure::median(&ours_all));
    ratio("consume, typed, `multiple` acks, events/s", theirs.rate, ours_median.rate);
    ratio("consume, CPU of the client, µs/event", theirs.cpu, ours_median.cpu);
    raw.delete(ours.queue()).await;
    ours.close().await;
}
