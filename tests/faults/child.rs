//! This test program again, as a publisher or a consumer that can be killed.

use std::{
    env,
    hint::black_box,
    io::{BufRead, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bloodbank::{
    DeadLetters, Error, Settings,
    app::BusBuilder,
    dead_letter::{Filter, Mode},
    embedded::Embedded,
    message::{Outgoing, Properties, names},
    prelude::*,
    transport::{Transport, topology::rung_name},
};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::rolling;

pub(crate) const ROLE: &str = "BLOODBANK_FAULT_ROLE";
/// How long each of the 24 tasks of a publisher waits between two events.
pub(crate) const PACE: &str = "BLOODBANK_FAULT_PACE_MS";
/// How many more tasks of a publisher publish without a pause what is only counted (0).
pub(crate) const STREAM: &str = "BLOODBANK_FAULT_STREAM";
pub(crate) const SERVICE: &str = "faults";

/// What becomes of an event in the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    Handled,
    FailsOnce,
    Refused,
    Panics,
    Hangs,
    /// The process dies in the handler, once.
    KillsInTheHandler,
    /// The process dies after it has published a follow-up and before the acknowledgement, once.
    KillsBeforeTheAck,
    /// The handler calls itself without end, once.
    OverflowsTheStack,
    /// The handler takes memory without end, once.
    TakesAllMemory,
    /// The process dies in the handler, each time.
    KillsEachTime,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "faults.job.created")]
pub(crate) struct Job {
    fate: Fate,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "faults.job.finished")]
pub(crate) struct Finished {
    of: Uuid,
}

/// Many of them, in little time.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "faults.tick.heard")]
pub(crate) struct Tick {
    text: String,
}

/// Says a line to the parent, at once and as a whole.
fn say(line: std::fmt::Arguments<'_>) {
    let line = format!("> {line}\n");
    let mut out = std::io::stdout().lock();
    // A parent that is gone needs no answer.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

/// What a child does; for the test runner itself there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_a_process_of_its_own() {
    let Ok(role) = env::var(ROLE) else { return };
    // Poison panics by design.
    std::panic::set_hook(Box::new(|_| {}));
    let settings = Settings::from_vars(env::vars().filter(|(name, _)| {
        [
            "RABBIT_URL",
            "REDIS_URL",
            "EXCHANGE_NAME",
            "SERVICE_NAME",
            "BLOODBANK_PUBLISH_TIMEOUT_MS",
            "BLOODBANK_EMBEDDED_PATH",
        ]
        .contains(&name.as_str())
    }))
    .unwrap();
    // A broker that is down, or a disk that is full: the parent starts another.
    let Ok((bus, file)) = connect(settings).await else { std::process::exit(1) };
    match role.as_str() {
        "publisher" => {
            publish(&bus, None).await;
            bus.close().await;
        }
        // A broker that goes down just now: the parent starts another.
        "consumer" | "both" => {
            let Ok(app) = consumers(bus.clone()).start().await else { std::process::exit(1) };
            if role == "both" {
                // The embedded file belongs to one process.
                tokio::spawn(async move { publish(&bus, file).await });
            }
            std::process::exit(i32::from(app.wait().await.is_err()));
        }
        "follower" => rolling::follow_steps(bus).await,
        _ => panic!("no role {role}"),
    }
    std::process::exit(0);
}

/// Connects; what a file holds can be seen beside the bus that has it.
async fn connect(settings: Settings) -> Result<(Bus, Option<Arc<Embedded>>), Error> {
    let Some(path) = settings.embedded_path.clone() else { return Ok((Bus::connect(settings).await?, None)) };
    let file = Arc::new(Embedded::open(&path).await?);
    let transport: Arc<dyn Transport> = Arc::<Embedded>::clone(&file);
    Ok((BusBuilder::new(settings).transport(transport).connect().await?, Some(file)))
}

fn fate() -> Fate {
    match Uuid::new_v4().as_u128() % 20_000 {
        0..=1 => Fate::KillsInTheHandler,
        2..=3 => Fate::KillsBeforeTheAck,
        4 => Fate::OverflowsTheStack,
        5 => Fate::TakesAllMemory,
        100..=139 => Fate::Hangs,
        200..=299 => Fate::Panics,
        300..=399 => Fate::Refused,
        // Enough of them that some wait for their retry at any time.
        400..=2_399 => Fate::FailsOnce,
        _ => Fate::Handled,
    }
}

/// How many tasks of a publisher publish jobs.
const TASKS: usize = 24;
/// How long publishers wait before they look again whether they may.
const HELD: Duration = Duration::from_millis(20);

/// What a publisher is told to do.
#[derive(Default)]
struct Orders {
    /// For good.
    stop: AtomicBool,
    hold: AtomicBool,
}

/// Publishes until it is told to stop, and says what was confirmed.
async fn publish(bus: &Bus, file: Option<Arc<Embedded>>) {
    let pace = Duration::from_millis(env::var(PACE).map_or(150, |pace| pace.parse().unwrap()));
    let stream = env::var(STREAM).map_or(0, |tasks| tasks.parse().unwrap());
    let orders = Arc::new(Orders::default());
    let publishers: Vec<_> = (0..TASKS + stream)
        .map(|number| {
            let (bus, orders) = (bus.clone(), Arc::clone(&orders));
            tokio::spawn(async move {
                while !orders.stop.load(Ordering::Relaxed) {
                    if orders.hold.load(Ordering::Relaxed) {
                        sleep(HELD).await;
                    } else if number < TASKS {
                        publish_one(&bus, fate()).await;
                        sleep(pace).await;
                    } else if !publish_tick(&bus).await {
                        sleep(HELD).await;
                    }
                }
            })
        })
        .collect();
    let (told, heard) = (bus.clone(), Arc::clone(&orders));
    let lines = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Handle::current();
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let (bus, file) = (told.clone(), file.clone());
            match &*line {
                // The broker closes the channel, with everything that is in flight on it.
                "channel error" => drop(runtime.spawn(missing_exchange(bus))),
                "poison" => drop(runtime.spawn(async move { publish_one(&bus, Fate::KillsEachTime).await })),
                "redrive" => drop(runtime.spawn(redrive(bus))),
                "look" => drop(runtime.spawn(look(bus, file.expect("a bus in a file")))),
                "hold" => heard.hold.store(true, Ordering::Relaxed),
                "go on" => heard.hold.store(false, Ordering::Relaxed),
                "stop" => heard.stop.store(true, Ordering::Relaxed),
                other => panic!("no order {other:?}"),
            }
            if &*line == "stop" && env::var(ROLE).unwrap() == "publisher" {
                return;
            }
        }
        heard.stop.store(true, Ordering::Relaxed);
    });
    lines.await.unwrap();
    for publisher in publishers {
        publisher.await.unwrap();
    }
}

async fn publish_one(bus: &Bus, fate: Fate) {
    let id = Uuid::new_v4();
    say(format_args!("sent {id}"));
    let publishing = async {
        if id.as_u128() % 200 == 1 {
            let message = Outgoing::new(Arc::clone(bus.exchange()), "faults.job.created", "no envelope")
                .properties(Properties::default().message_id(id))
                .mandatory();
            bus.transport().publish(message).await.map(|published| published.unrouted)
        } else {
            bus.publish(Job { fate }).event_id(id).await.map(|receipt| receipt.unrouted)
        }
    };
    // Some do not wait for the answer; the others must not notice.
    let is_patient = !id.as_u128().is_multiple_of(50);
    let patience = if is_patient { Duration::MAX } else { Duration::from_micros(id.as_u64_pair().0 % 3_000) };
    match timeout(patience, publishing).await {
        Ok(Ok(Some(false) | None)) => say(format_args!("confirmed {id}")),
        Ok(Ok(Some(true))) => say(format_args!("unrouted {id}")),
        Ok(Err(_)) => say(format_args!("unknown {id}")),
        Err(_) => say(format_args!("abandoned {id}")),
    }
}

/// Whether it was confirmed.
async fn publish_tick(bus: &Bus) -> bool {
    let id = Uuid::new_v4();
    say(format_args!("streamed {id}"));
    let published = bus.publish(Tick { text: "A sentence that somebody said. ".repeat(4) }).event_id(id).await;
    match &published {
        Ok(receipt) if receipt.unrouted == Some(true) => say(format_args!("unrouted {id}")),
        Ok(_) => say(format_args!("stream-confirmed {id}")),
        Err(_) => {}
    }
    published.is_ok()
}

async fn missing_exchange(bus: Bus) {
    let message = Outgoing::new("faults.nowhere", "x", "{}").mandatory();
    assert!(bus.transport().publish(message).await.is_err(), "there is no such exchange");
}

/// Two redrive at once, and a third gives up on the way.
async fn redrive(bus: Bus) {
    let letters = DeadLetters::of(&bus, format!("{SERVICE}.work"));
    let all = Filter::default();
    let third = Duration::from_millis(Uuid::new_v4().as_u64_pair().0 % 50);
    let _ = tokio::join!(
        letters.redrive(&all, Mode::Apply),
        letters.redrive(&all, Mode::Apply),
        timeout(third, letters.redrive(&all, Mode::Apply)),
    );
}

/// Says what is parked and what is left; only the process that has the file can see it.
async fn look(bus: Bus, file: Arc<Embedded>) {
    for subscriber in ["work", "once", "count"] {
        let letters = DeadLetters::of(&bus, format!("{SERVICE}.{subscriber}"));
        for id in letters.list(&Filter::default()).await.unwrap().into_iter().filter_map(|letter| letter.event_id) {
            say(format_args!("parked {id} {subscriber}"));
        }
    }
    let rungs = [250, 1_000].map(|delay| rung_name(bus.settings().queue_kind, Duration::from_millis(delay)));
    let queues = ["work", "once", "audit", "count"].map(|subscriber| format!("{SERVICE}.{subscriber}"));
    let depths = queues.iter().chain(&rungs).filter_map(|queue| file.depth(queue));
    say(format_args!("left {}", depths.map(|(ready, taken)| ready + taken).sum::<usize>()));
}

/// What consumes, and says what was handled.
fn consumers(bus: Bus) -> App {
    App::new(SERVICE, bus).subscribe(work).subscribe(once).subscribe(audit).subscribe(count)
}

#[subscriber(concurrency = 32, timeout = "1s", retry(max_attempts = 2, backoff = "250ms"))]
async fn work(job: Job, context: Context, publisher: Publisher) -> Result<Finished, HandlerError> {
    let id = context.event_id();
    let is_first = context.attempt() == 1 && !context.redelivered();
    match job.fate {
        Fate::KillsInTheHandler if is_first => std::process::abort(),
        Fate::KillsBeforeTheAck if is_first => {
            publisher.publish(Finished { of: id }).await?;
            std::process::abort();
        }
        Fate::OverflowsTheStack if is_first => drop(deeper(0)),
        Fate::TakesAllMemory if is_first => take_all_memory(),
        // Until somebody has found out why.
        Fate::KillsEachTime if context.headers().get(names::REDRIVEN).is_none() => std::process::abort(),
        Fate::FailsOnce if context.attempt() == 1 => return Err(HandlerError::retry("not yet")),
        Fate::Refused => return Err(HandlerError::permanent("refused")),
        Fate::Panics => panic!("as it must"),
        Fate::Hangs => std::future::pending::<()>().await,
        Fate::Handled
        | Fate::FailsOnce
        | Fate::KillsInTheHandler
        | Fate::KillsBeforeTheAck
        | Fate::OverflowsTheStack
        | Fate::TakesAllMemory
        | Fate::KillsEachTime => {}
    }
    say(format_args!("handled {id}"));
    Ok(Finished { of: id })
}

#[allow(unconditional_recursion, reason = "the stack is to overflow")]
fn deeper(depth: u64) -> u64 {
    black_box(deeper(black_box(depth) + 1)) + 1
}

/// The parent has set a limit on what there is.
fn take_all_memory() {
    let mut hoard = Vec::new();
    loop {
        hoard.push(black_box(Vec::<u8>::with_capacity(64 << 20)));
    }
}

#[subscriber(concurrency = 32, dedupe(within = "1h"))]
async fn once(_: Job, context: Context) {
    let is_flagged = context.may_be_duplicate()
        || context.redelivered()
        || context.attempt() > 1
        || context.headers().get(names::RETURNED).is_some();
    say(format_args!("once {} {}", context.event_id(), if is_flagged { "flagged" } else { "first" }));
}

#[subscriber(concurrency = 16)]
async fn audit(finished: Finished) {
    say(format_args!("followed {}", finished.of));
}

#[subscriber(concurrency = 16, prefetch = 1000)]
async fn count(_: Tick, context: Context) {
    say(format_args!("counted {}", context.event_id()));
}
