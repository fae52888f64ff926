//! Publishing through the gateway against publishing in this process: the same events, the same bus, the same number of
//! publishers at a time, in turns.
//!
//! Run: `cargo bench -p bloodbank-gateway --bench publish`. On RabbitMQ, which it starts itself; with `embedded` as an
//! argument, on the embedded bus in memory. Clients, gateway and broker share the machine.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bloodbank_core::{App, Bus, Settings};
use bloodbank_domains::llm::LlmPrompt;
use bloodbank_gateway::{Gateway, ServeOptions, Server};
use bloodbank_harness::{shared_rabbit_url, unique};
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const PUBLISHERS: usize = 64;
const EVENTS: usize = 20_000;
const ROUNDS: usize = 5;
/// Lines in a request to `/events/batch`.
const LINES: usize = 500;

fn main() {
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

    let (mut own, mut over_http, mut batched) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(in_process(&bus).await);
        over_http.push(single(&address).await);
        batched.push(batch(&address).await);
    }
    let own = median(own);
    println!("in process          {:>8.0} events/s", own);
    for (name, rate) in [("one in a request", median(over_http)), ("500 in a request", median(batched))] {
        println!("{name:<19} {rate:>8.0} events/s   {:.2} of in process", rate / own);
    }
    let (own, over_http) = latencies(&bus, &address).await;
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

async fn in_process(bus: &Bus) -> f64 {
    let start = Instant::now();
    join_all((0..PUBLISHERS).map(|_| {
        let bus = bus.clone();
        tokio::spawn(async move {
            for _ in 0..EVENTS / PUBLISHERS {
                bus.publish(event()).await.expect("published");
            }
        })
    }))
    .await;
    EVENTS as f64 / start.elapsed().as_secs_f64()
}

fn request(path: &str, media_type: &str, body: &str) -> Bytes {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

async fn single(address: &str) -> f64 {
    let request = Arc::new(request("/events/llm/prompt", "application/json", &payload().to_string()));
    let start = Instant::now();
    join_all((0..PUBLISHERS).map(|_| {
        let (address, request) = (address.to_owned(), Arc::clone(&request));
        tokio::spawn(async move {
            let mut client = Client::connect(&address).await;
            for _ in 0..EVENTS / PUBLISHERS {
                client.send(&request, "202").await;
            }
        })
    }))
    .await;
    EVENTS as f64 / start.elapsed().as_secs_f64()
}

/// As many in flight as the window of the bus allows, over two connections.
async fn batch(address: &str) -> f64 {
    let line = serde_json::json!({ "event_type": "llm.prompt", "payload": payload() }).to_string() + "\n";
    let request = Arc::new(request("/events/batch", "application/x-ndjson", &line.repeat(LINES)));
    let start = Instant::now();
    join_all((0..2).map(|_| {
        let (address, request) = (address.to_owned(), Arc::clone(&request));
        tokio::spawn(async move {
            let mut client = Client::connect(&address).await;
            for _ in 0..EVENTS / LINES / 2 {
                client.send(&request, "200").await;
            }
        })
    }))
    .await;
    EVENTS as f64 / start.elapsed().as_secs_f64()
}

/// Median and 99th percentile of one publisher alone.
async fn latencies(bus: &Bus, address: &str) -> ((Duration, Duration), (Duration, Duration)) {
    const SAMPLES: usize = 3000;
    let request = request("/events/llm/prompt", "application/json", &payload().to_string());
    let mut client = Client::connect(address).await;
    let (mut own, mut over_http) = (Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES));
    for _ in 0..SAMPLES {
        let start = Instant::now();
        bus.publish(event()).await.expect("published");
        own.push(start.elapsed());
        let start = Instant::now();
        client.send(&request, "202").await;
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

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// As little of a client as can be: what it costs is not the gateway's.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, buffer: vec![0; 256 * 1024] }
    }

    async fn send(&mut self, request: &[u8], status: &str) {
        self.stream.write_all(request).await.expect("written");
        let mut filled = 0;
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await.expect("read");
            assert!(read > 0, "the gateway closed the connection");
            filled += read;
            let text = std::str::from_utf8(&self.buffer[..filled]).expect("text");
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let head = head.to_ascii_lowercase();
            let is_whole = match head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()) {
                Some(length) => body.len() >= length.trim().parse::<usize>().expect("a number"),
                // In chunks.
                None => text.ends_with("\r\n0\r\n\r\n") || body == "0\r\n\r\n",
            };
            if is_whole {
                assert!(head.starts_with(&format!("http/1.1 {status}")), "{text}");
                return;
            }
        }
    }
}
