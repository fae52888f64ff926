//! What is logged, and which event a line is about.

use std::{
    future::ready,
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use bloodbank::{
    Error, ErrorKind, Result, Settings,
    app::BusBuilder,
    embedded::Embedded,
    message::{Outgoing, Published, names},
    prelude::*,
    store::Stores,
    testing::TestBus,
    transport::{
        BoxQueueBrowser, Connection, Consume, Deliveries, Publish, QueueStatus, Topology, TopologyDiff, Transport,
    },
};
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::Mutex;
use serde_json::Value;
use tracing::{Level, subscriber::DefaultGuard};
use tracing_subscriber::fmt::format::FmtSpan;

use crate::common::soon;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "forge.nail.ordered")]
struct NailOrdered {
    number: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "forge.nail.made")]
struct NailMade {
    number: u32,
}

#[derive(Debug)]
struct Cold(io::Error);

impl std::fmt::Display for Cold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the forge is cold")
    }
}

impl std::error::Error for Cold {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// Makes even nails; odd ones fail twice.
#[subscriber(retry(max_attempts = 2, backoff = "1s"))]
async fn forge(nail: NailOrdered) -> Result<NailMade, Cold> {
    tracing::info!("at the anvil");
    if nail.number % 2 == 1 { Err(Cold(io::Error::other("no coal"))) } else { Ok(NailMade { number: nail.number }) }
}

/// Holds its thread for longer than it may take.
#[subscriber(timeout = "50ms")]
async fn hammer(_nail: NailMade) {
    std::thread::sleep(Duration::from_millis(400));
}

/// The lines that are logged while the guard lives, on this thread.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn of(level: Level, spans: FmtSpan) -> (Self, DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(level)
            .with_span_events(spans)
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn all(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Those whose message contains a text.
    fn with(&self, part: &str) -> Vec<Value> {
        let has_part = |line: &Value| line["message"].as_str().is_some_and(|message| message.contains(part));
        self.all().into_iter().filter(has_part).collect()
    }
}

#[tokio::test]
async fn a_line_of_a_handler_says_which_event_it_is_about_at_any_level() {
    let (lines, _guard) = Lines::of(Level::INFO, FmtSpan::NONE);
    let bus = TestBus::new();
    let _app = App::new("smithy", bus.bus()).subscribe(forge).start().await.unwrap();
    let ordered = bus.publish(NailOrdered { number: 2 }).await.unwrap();
    bus.idle().await;
    let said = lines.with("at the anvil");
    assert_eq!(said.len(), 1);
    let span = &said[0]["span"];
    assert_eq!((&span["name"], &span["queue"]), (&"process".into(), &"smithy.forge".into()), "{said:#?}");
    assert_eq!((&span["key"], &span["attempt"]), (&"forge.nail.ordered".into(), &1.into()));
    assert_eq!(span["event_id"], ordered.event_id.to_string());
}

#[tokio::test]
async fn publish_process_and_settle_are_spans() {
    let (lines, _guard) = Lines::of(Level::DEBUG, FmtSpan::CLOSE);
    let bus = TestBus::new();
    let _app = App::new("smithy", bus.bus()).subscribe(forge).start().await.unwrap();
    let ordered = bus.publish(NailOrdered { number: 2 }).await.unwrap();
    bus.idle().await;
    let closed = lines.with("close");
    let spans: Vec<_> = closed
        .iter()
        .map(|line| {
            let parents = line["spans"].as_array().unwrap().iter().map(|parent| parent["name"].as_str().unwrap());
            let path: Vec<_> = parents.chain([line["span"]["name"].as_str().unwrap()]).collect();
            (path.join("/"), line["span"]["key"].as_str().unwrap())
        })
        .collect();
    for expected in [
        ("publish".to_owned(), "forge.nail.ordered"),
        ("process/settle/publish".to_owned(), "forge.nail.made"),
        ("process/settle".to_owned(), "forge.nail.ordered"),
        ("process".to_owned(), "forge.nail.ordered"),
    ] {
        assert!(spans.contains(&expected), "{expected:?} is not in {spans:#?}");
    }
    let settle = closed.iter().find(|line| line["span"]["name"] == "settle").unwrap();
    assert_eq!(settle["span"]["outcome"], "Ack", "{settle:#}");
    assert_eq!(settle["span"]["event_id"], ordered.event_id.to_string());
}

#[tokio::test]
async fn each_failed_attempt_is_one_line_with_the_chain_of_its_error() {
    let (lines, _guard) = Lines::of(Level::TRACE, FmtSpan::NONE);
    let bus = TestBus::new();
    let _app = App::new("smithy", bus.bus()).subscribe(forge).start().await.unwrap();
    let ordered = bus.publish(NailOrdered { number: 1 }).await.unwrap();
    bus.drain_retries().await;
    let about: Vec<_> = lines.all().into_iter().filter(|line| line.get("error").is_some()).collect();
    assert_eq!(about.len(), 2, "one for each attempt: {about:#?}");
    for (line, (level, message, attempt)) in
        about.iter().zip([("WARN", "failed; tried again in", 1), ("ERROR", "gave up", 2)])
    {
        assert_eq!((line["level"].as_str(), &line["attempt"]), (Some(level), &attempt.into()), "{line:#}");
        assert!(line["message"].as_str().unwrap().starts_with(message), "{line:#}");
        assert_eq!(line["error"], "the forge is cold: no coal");
        assert_eq!((&line["queue"], &line["key"]), (&"smithy.forge".into(), &"forge.nail.ordered".into()));
        assert_eq!(line["event_id"], ordered.event_id.to_string());
    }
}

#[tokio::test]
async fn a_handler_that_blocks_its_thread_beyond_its_timeout_is_named_with_the_remedy() {
    let (lines, _guard) = Lines::of(Level::INFO, FmtSpan::NONE);
    let bus = TestBus::new();
    let _app = App::new("smithy", bus.bus()).subscribe(hammer).start().await.unwrap();
    let made = bus.publish(NailMade { number: 1 }).await.unwrap();
    bus.idle().await;
    let said = lines.with("spawn_blocking");
    // While it blocks, again while it still does, and when it has ended.
    assert!((2..=4).contains(&said.len()), "{:#?}", lines.all());
    let (said, while_it_blocked) = said.split_last().unwrap();
    for line in while_it_blocked {
        assert!(line["message"].as_str().unwrap().contains("has blocked its thread for"), "{line:#}");
        assert_eq!((&line["queue"], &line["level"]), (&"smithy.hammer".into(), &"WARN".into()));
        assert_eq!(line["event_id"], made.event_id.to_string());
    }
    let said = [said];
    assert!(said[0]["message"].as_str().unwrap().contains("could not be stopped after 50ms"), "{said:#?}");
    assert_eq!((&said[0]["queue"], &said[0]["level"]), (&"smithy.hammer".into(), &"WARN".into()));
    assert_eq!(said[0]["event_id"], made.event_id.to_string());
}

#[tokio::test]
async fn the_first_line_says_where_the_bus_is_and_what_would_be_lost() {
    let (lines, _guard) = Lines::of(Level::INFO, FmtSpan::NONE);
    Bus::connect(Settings::default()).await.unwrap();
    let first = lines.all().remove(0);
    assert_eq!(first["message"], "lost when this process ends: every event, correlation, large payloads");
    for (name, value) in [
        ("bus", "embedded"),
        ("at", "memory"),
        ("exchange", "bloodbank.events.v1"),
        ("correlation", "memory"),
        ("claims", "memory"),
        ("environment", "dev"),
    ] {
        assert_eq!(first[name], value, "{first:#}");
    }
}

#[tokio::test]
async fn a_bus_in_memory_is_refused_where_it_would_be_a_mistake() {
    let production = |allow| Settings::from_vars([("ENVIRONMENT", "production"), ("BLOODBANK_ALLOW_MEMORY", allow)]);
    let error = Bus::connect(production("").unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
    assert!(
        error.to_string().contains("set RABBIT_URL, or BLOODBANK_EMBEDDED_PATH, or BLOODBANK_ALLOW_MEMORY=1"),
        "{error}"
    );
    Bus::connect(production("1").unwrap()).await.unwrap();
}

/// The embedded bus, which refuses the first two copies that should wait for another attempt.
struct Full {
    inner: Embedded,
    refused: AtomicU32,
}

impl Publish for Full {
    fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        let is_copy = message.properties.headers.get(names::FIRST_FAILED).is_some();
        if is_copy && self.refused.fetch_add(1, SeqCst) < 2 {
            return ready(Err(Error::new(ErrorKind::Refused, "the queue is full"))).boxed();
        }
        self.inner.publish(message)
    }
}

impl Consume for Full {
    fn declare(&self, topology: Topology) -> BoxFuture<'_, Result<()>> {
        self.inner.declare(topology)
    }

    fn consume(&self, queue: Arc<str>, prefetch: u16) -> BoxFuture<'_, Result<Deliveries>> {
        self.inner.consume(queue, prefetch)
    }

    fn consume_ahead(&self, queue: Arc<str>, prefetch: u16, most: u16) -> BoxFuture<'_, Result<Deliveries>> {
        self.inner.consume_ahead(queue, prefetch, most)
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        self.inner.settled()
    }

    fn browse(&self, queue: Arc<str>) -> BoxFuture<'_, Result<BoxQueueBrowser>> {
        self.inner.browse(queue)
    }

    fn compare(&self, topology: Topology) -> BoxFuture<'_, Result<Vec<TopologyDiff>>> {
        self.inner.compare(topology)
    }

    fn release(&self, queue: Arc<str>) -> BoxFuture<'_, Result<()>> {
        self.inner.release(queue)
    }

    fn queue(&self, queue: Arc<str>) -> BoxFuture<'_, Result<Option<QueueStatus>>> {
        self.inner.queue(queue)
    }

    fn queues(&self) -> BoxFuture<'_, Result<Option<Vec<QueueStatus>>>> {
        self.inner.queues()
    }
}

impl Transport for Full {
    fn system(&self) -> &'static str {
        "full"
    }

    fn stores(&self, settings: &Settings) -> Stores {
        self.inner.stores(settings)
    }

    fn connections(&self) -> Vec<Connection> {
        self.inner.connections()
    }

    fn troubles(&self) -> Vec<String> {
        self.inner.troubles()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

#[tokio::test]
async fn another_attempt_is_announced_once_when_its_copy_is_confirmed() {
    let (lines, _guard) = Lines::of(Level::INFO, FmtSpan::NONE);
    let transport = Arc::new(Full { inner: Embedded::in_memory(), refused: AtomicU32::new(0) });
    let bus = BusBuilder::new(Settings::default()).transport(transport).connect().await.unwrap();
    let _app = App::new("smithy", bus.clone()).subscribe(forge).start().await.unwrap();
    bus.publish(NailOrdered { number: 1 }).await.unwrap();
    let gave_up = async {
        while lines.with("gave up").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon("the end of the attempts", gave_up).await;
    let kept = ["cannot be put aside", "cannot be put aside", "failed; tried again in", "gave up"];
    let said: Vec<_> = lines.all().into_iter().filter(|line| line.get("error").is_some()).collect();
    assert_eq!(said.len(), kept.len(), "{said:#?}");
    for (line, part) in said.iter().zip(kept) {
        assert!(line["message"].as_str().unwrap().contains(part), "{part}: {said:#?}");
    }
}

/// It shares its settings with a program that archives.
#[tokio::test]
async fn a_program_that_was_built_without_the_archive_says_that_it_does_not_read_it() {
    let (lines, _guard) = Lines::of(Level::WARN, FmtSpan::NONE);
    let connect = async |vars: &[(&str, &str)]| {
        let settings = Settings::from_vars(vars.iter().copied()).unwrap();
        BusBuilder::new(settings).transport(Arc::new(Embedded::in_memory())).connect().await.unwrap()
    };
    connect(&[]).await.close().await;
    assert_eq!(lines.with("archive").len(), 0, "it is not set");
    connect(&[("BLOODBANK_ARCHIVE", "/srv/archive")]).await.close().await;
    let said = lines.with("BLOODBANK_ARCHIVE is set");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0]["message"].as_str().unwrap().contains("`use bloodbank_archive as _;`"), "{said:?}");
}
