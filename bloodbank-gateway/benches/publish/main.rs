//! Publishing through the gateway against publishing in this process: the same events, the same bus, the same number of
//! publishers at a time, in turns.
//!
//! Run: `cargo bench -p bloodbank-gateway --bench publish`. On RabbitMQ, which it starts itself; with `embedded` as an
//! argument, on the embedded bus in memory. With `profile`, only one event in a request, for a profiler. The HTTP client is a
//! process of its own; it, the gateway and the broker share the machine, so the processor time of each event is printed too.

mod load;

use std::time::{Duration, Instant};

use bloodbank_core::{App, Bus, Settings};
use bloodbank_domains::llm::LlmPrompt;
use bloodbank_gateway::{Gateway, ServeOptions, Server};
use bloodbank_harness::{shared_rabbit_url, unique};
use futures_util::future::join_all;
use load::{Client, Load, Round, processor_seconds};

const PUBLISHERS: usize = 64;
const EVENTS: usize = 19_200;
const ROUNDS: usize = 7;
/// Lines in a request to `/events/batch`.
const LINES: usize = 480;
/// The connections that send batches: two of them fill the window of the bus.
const SENDERS: usize = 2;

fn main() {
    if std::env::args().any(|argument| argument == load::ARGUMENT) {
        return load::main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run());
}

async fn run() {
    let is_embedded = std::env::args().any(|argument| argument == "embedded");
    let bus = if is_embedded { Bus::embedded() } else { rabbit().await };
    println!("{} · {PUBLISHERS} publishers · {EVENTS} events · median of {ROUNDS} rounds", bus.transport().system());
    let app = App::new("bench", bus.clone()).start().await.expect("it starts");
    let gateway = Gateway::builder(bus.clone()).build();
    let server = Server::bind(gateway, ServeOptions::on("127.0.0.1", 0)).await.expect("a free port");
    let address = server.address().to_string();
    tokio::spawn(server.run());
    let mut load = Load::start();
    let single = request("/events/llm/prompt", "application/json", &payload().to_string());
    let line = serde_json::json!({ "event_type": "llm.prompt", "payload": payload() }).to_string() + "\n";
    let batch = request("/events/batch", "application/x-ndjson", &line.repeat(LINES));

    if std::env::args().any(|argument| argument == "profile") {
        for _ in 0..ROUNDS {
            let round = over_http(&mut load, &address, PUBLISHERS, EVENTS, 202, &single).await;
            println!("{:>7.0} events/s   publisher {:.1} µs, client {:.1} µs", round.rate, round.server, round.client);
        }
        return;
    }
    let mut rounds = [const { Vec::new() }; 3];
    in_process(&bus).await;
    over_http(&mut load, &address, PUBLISHERS, EVENTS, 202, &single).await;
    for _ in 0..ROUNDS {
        rounds[0].push(in_process(&bus).await);
        rounds[1].push(over_http(&mut load, &address, PUBLISHERS, EVENTS, 202, &single).await);
        rounds[2].push(over_http(&mut load, &address, SENDERS, EVENTS / LINES, 200, &batch).await);
    }
    let own = median(&rounds[0], |round| round.rate);
    for (name, rounds) in ["in process", "one in a request", "480 in a request"].into_iter().zip(&rounds) {
        let rate = median(rounds, |round| round.rate);
        let (server, client) = (median(rounds, |round| round.server), median(rounds, |round| round.client));
        println!(
            "{name:<17} {rate:>7.0} events/s   {:.2} of in process   processor per event: publisher {server:>5.1} µs, client {client:>4.1} µs",
            rate / own
        );
    }
    let (own, over_http) = latencies(&bus, &address, single.as_bytes()).await;
    println!("one publisher alone: p50/p99 in process {}, over HTTP {}", show(&own), show(&over_http));
    println!("p99 over HTTP is {:.2} ms above", (over_http.1.as_secs_f64() - own.1.as_secs_f64()) * 1e3);
    app.shutdown().await.expect("it ends");
}

async fn rabbit() -> Bus {
    let vars = [("RABBIT_URL", shared_rabbit_url()), ("EXCHANGE_NAME", unique("bench"))];
    Bus::connect(Settings::from_vars(vars).expect("settings")).await.expect("it connects")
}

fn event() -> LlmPrompt {
    serde_json::from_value(payload()).expect("valid")
}

fn payload() -> serde_json::Value {
    serde_json::json!({ "provider": "anthropic", "model": "one", "prompt": "Why is the sky blue? ".repeat(10), "tags": ["a", "b"] })
}

async fn in_process(bus: &Bus) -> Round {
    let (start, before) = (Instant::now(), processor_seconds());
    let event = event();
    join_all((0..PUBLISHERS).map(|_| {
        let (bus, event) = (bus.clone(), event.clone());
        tokio::spawn(async move {
            for _ in 0..EVENTS / PUBLISHERS {
                bus.publish(event.clone()).await.expect("published");
            }
        })
    }))
    .await;
    let events = EVENTS as f64;
    Round {
        rate: events / start.elapsed().as_secs_f64(),
        server: (processor_seconds() - before) / events * 1e6,
        client: 0.0,
    }
}

fn request(path: &str, media_type: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn over_http(
    load: &mut Load,
    address: &str,
    connections: usize,
    requests: usize,
    status: u16,
    request: &str,
) -> Round {
    let before = processor_seconds();
    let (seconds, client) = load.send(address, connections, requests, status, request).await;
    let events = EVENTS as f64;
    Round {
        rate: events / seconds,
        server: (processor_seconds() - before) / events * 1e6,
        client: client / events * 1e6,
    }
}

/// Median and 99th percentile of one publisher alone.
async fn latencies(bus: &Bus, address: &str, request: &[u8]) -> ((Duration, Duration), (Duration, Duration)) {
    const SAMPLES: usize = 3000;
    let mut client = Client::connect(address).await;
    let (mut own, mut over_http) = (Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES));
    for _ in 0..SAMPLES {
        let start = Instant::now();
        bus.publish(event()).await.expect("published");
        own.push(start.elapsed());
        let start = Instant::now();
        client.send(request, b"HTTP/1.1 202 ").await;
        over_http.push(start.elapsed());
    }
    let percentiles = |samples: &mut Vec<Duration>| {
        samples.sort_unstable();
        (samples[SAMPLES / 2], samples[SAMPLES * 99 / 100])
    };
    (percentiles(&mut own), percentiles(&mut over_http))
}

fn show((median, p99): &(Duration, Duration)) -> String {
    format!("{:.2}/{:.2} ms", median.as_secs_f64() * 1e3, p99.as_secs_f64() * 1e3)
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut numbers: Vec<_> = rounds.iter().map(of).collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
