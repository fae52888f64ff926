//! Publishing through the gateway against publishing in this process: the same events, the same bus, the same number of
//! publishers at a time, in turns.
//!
//! Run: `cargo bench -p bloodbank-gateway --bench publish`. On RabbitMQ, which it starts itself, into a quorum queue, or with
//! `classic` as an argument into a classic one, emptied between the rounds; with `unrouted` into none, and the broker sends
//! everything back. With `embedded`, on the embedded bus in memory. With `profile`, only one event in a request, for a profiler
//! (`http2`: many requests in a connection); with `own`, only in process. The HTTP client is a process of its own; it, the
//! gateway and the broker share the machine, so the processor time of each event is printed too. A ratio is the median of
//! those of the rounds, beside the lowest and the highest.

// The transports that a setting chooses between.
use bloodbank_amqp as _;
use bloodbank_embedded as _;

mod bare;
mod http2;
mod load;
mod rabbit;

use std::time::{Duration, Instant};

use bloodbank_core::{App, Bus, settings::QueueKind};
use bloodbank_domains::llm::LlmPrompt;
use bloodbank_gateway::{Gateway, ServeOptions, Server};
use futures_util::future::join_all;
use load::{Client, Load, Order, Round, processor_seconds};
use mimalloc::MiMalloc;
use rabbit::Rabbit;

/// The allocator of `bb`.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const KEY: &str = "llm.prompt";
const PUBLISHERS: usize = 64;
const EVENTS: usize = 19_200;
const ROUNDS: usize = 9;
/// Lines in a request to `/events/batch`.
const LINES: usize = 480;
/// The connections of HTTP/2, and those that send batches: two of them fill the window of the bus.
const SENDERS: usize = 2;

fn main() {
    if std::env::args().any(|argument| argument == load::ARGUMENT) {
        return load::main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run());
}

async fn run() {
    let says = |word| std::env::args().any(|argument| argument == word);
    let kind = match () {
        () if says("unrouted") => None,
        () if says("classic") => Some(QueueKind::Classic),
        () => Some(QueueKind::Quorum),
    };
    let rabbit = if says("embedded") { None } else { Some(Rabbit::start(KEY, kind).await) };
    let bus = rabbit.as_ref().map_or_else(Bus::embedded, |rabbit| rabbit.bus.clone());
    let place = match (&rabbit, kind) {
        (None, _) => "embedded bus".to_owned(),
        (Some(_), None) => "RabbitMQ, no queue".to_owned(),
        (Some(_), Some(kind)) => format!("RabbitMQ, {kind:?} queue"),
    };
    println!("{place} · {PUBLISHERS} publishers · {EVENTS} events · median of {ROUNDS} rounds");
    let app = App::new("bench", bus.clone()).start().await.expect("it starts");
    let gateway = Gateway::builder(bus.clone()).build();
    let server = Server::bind(gateway, ServeOptions::on("127.0.0.1", 0)).await.expect("a free port");
    let address = server.address().to_string();
    tokio::spawn(server.run());
    let bare = bare::serve(bus.clone()).await;
    let mut bench = Bench { bus, rabbit, load: Load::start() };
    let (body, line) = (payload(), serde_json::json!({ "event_type": KEY, "payload": payload() }));
    let (body, lines) = (body.to_string(), format!("{line}\n").repeat(LINES));
    let single = Order {
        address: &address,
        path: "/events/llm/prompt",
        media_type: "application/json",
        body: body.as_bytes(),
        connections: PUBLISHERS,
        at_a_time: 1,
        requests: EVENTS,
        status: 202,
    };
    let multiplexed = Order { connections: SENDERS, at_a_time: PUBLISHERS / SENDERS, ..single };
    let batch = Order {
        path: "/events/batch",
        media_type: "application/x-ndjson",
        body: lines.as_bytes(),
        connections: SENDERS,
        requests: EVENTS / LINES,
        status: 200,
        ..single
    };

    if says("profile") || says("own") {
        for _ in 0..ROUNDS {
            let round = if says("own") {
                bench.in_process().await
            } else {
                bench.over_http(if says("http2") { multiplexed } else { single }).await
            };
            println!("{:>7.0} events/s   {}", round.rate, costs(&[round]));
        }
        return;
    }
    let mut rounds = [const { Vec::new() }; 5];
    bench.in_process().await;
    bench.over_http(single).await;
    for _ in 0..ROUNDS {
        rounds[0].push(bench.in_process().await);
        rounds[1].push(bench.over_http(single).await);
        rounds[2].push(bench.over_http(Order { address: &bare, ..single }).await);
        rounds[3].push(bench.over_http(multiplexed).await);
        rounds[4].push(bench.over_http(batch).await);
    }
    println!("{:59}processor per event, in µs", "");
    const NAMES: [&str; 5] =
        ["in process", "one in a request", "the same, bare", "the same, HTTP/2", "480 in a request"];
    let own = &rounds[0];
    for (name, rounds) in NAMES.into_iter().zip(&rounds) {
        let rate = median(rounds, |round| round.rate);
        let mut ratios: Vec<_> = rounds.iter().zip(own).map(|(round, own)| round.rate / own.rate).collect();
        ratios.sort_by(f64::total_cmp);
        let (least, ratio, most) = (ratios[0], ratios[ROUNDS / 2], ratios[ROUNDS - 1]);
        println!("{name:<17} {rate:>7.0} events/s   {ratio:.2} of own ({least:.2}..{most:.2})   {}", costs(rounds));
    }
    let (own, over_http) = bench.latencies(single).await;
    println!("one publisher alone: p50/p99 in process {}, over HTTP {}", show(&own), show(&over_http));
    println!("p99 over HTTP is {:.2} ms above", (over_http.1.as_secs_f64() - own.1.as_secs_f64()) * 1e3);
    app.shutdown().await.expect("it ends");
}

struct Bench {
    bus: Bus,
    rabbit: Option<Rabbit>,
    load: Load,
}

impl Bench {
    /// As services publish: many tasks, each of which waits for its confirm.
    async fn in_process(&mut self) -> Round {
        let begun = Begun::now(self.rabbit.as_ref());
        let event = event();
        join_all((0..PUBLISHERS).map(|_| {
            let (bus, event) = (self.bus.clone(), event.clone());
            tokio::spawn(async move {
                for _ in 0..EVENTS / PUBLISHERS {
                    bus.publish(event.clone()).await.expect("published");
                }
            })
        }))
        .await;
        let seconds = begun.start.elapsed().as_secs_f64();
        self.end(&begun, seconds, 0.0).await
    }

    async fn over_http(&mut self, order: Order<'_>) -> Round {
        let begun = Begun::now(self.rabbit.as_ref());
        let (seconds, client) = self.load.send(order).await;
        self.end(&begun, seconds, client).await
    }

    async fn end(&self, begun: &Begun, seconds: f64, client: f64) -> Round {
        let now = Begun::now(self.rabbit.as_ref());
        if let Some(rabbit) = &self.rabbit {
            rabbit.purge(EVENTS).await;
        }
        let micros = |seconds: f64| seconds / EVENTS as f64 * 1e6;
        Round {
            rate: EVENTS as f64 / seconds,
            server: micros(now.own - begun.own),
            client: micros(client),
            broker: micros(now.broker - begun.broker),
        }
    }

    /// Median and 99th percentile of one publisher alone.
    async fn latencies(&self, order: Order<'_>) -> ((Duration, Duration), (Duration, Duration)) {
        const SAMPLES: usize = 3000;
        let (mut client, request) = (Client::connect(order.address).await, load::request(order));
        let (mut own, mut over_http) = (Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES));
        for _ in 0..SAMPLES {
            let start = Instant::now();
            self.bus.publish(event()).await.expect("published");
            own.push(start.elapsed());
            let start = Instant::now();
            client.send(&request, b"HTTP/1.1 202 ").await;
            over_http.push(start.elapsed());
        }
        let percentiles = |samples: &mut Vec<Duration>| {
            samples.sort_unstable();
            (samples[SAMPLES / 2], samples[SAMPLES * 99 / 100])
        };
        (percentiles(&mut own), percentiles(&mut over_http))
    }
}

/// The begin of a round, and the processor time used until then.
struct Begun {
    start: Instant,
    own: f64,
    broker: f64,
}

impl Begun {
    fn now(rabbit: Option<&Rabbit>) -> Self {
        let broker = rabbit.map_or(0.0, Rabbit::processor_seconds);
        Self { own: processor_seconds(load::SELF), broker, start: Instant::now() }
    }
}

fn event() -> LlmPrompt {
    serde_json::from_value(payload()).expect("valid")
}

fn payload() -> serde_json::Value {
    serde_json::json!({ "provider": "anthropic", "model": "one", "prompt": "Why is the sky blue? ".repeat(10), "tags": ["a", "b"] })
}

fn costs(rounds: &[Round]) -> String {
    let (server, client) = (median(rounds, |round| round.server), median(rounds, |round| round.client));
    let broker = median(rounds, |round| round.broker);
    format!("publisher {server:>5.1}, client {client:>5.1}, broker {broker:>5.1}")
}

fn show((median, p99): &(Duration, Duration)) -> String {
    format!("{:.2}/{:.2} ms", median.as_secs_f64() * 1e3, p99.as_secs_f64() * 1e3)
}

fn median(rounds: &[Round], of: impl Fn(&Round) -> f64) -> f64 {
    let mut numbers: Vec<_> = rounds.iter().map(of).collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
