//! This test program again, as a publisher or a consumer that can be killed.

use std::{
    env,
    io::{BufRead, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bloodbank::{
    Settings,
    prelude::*,
    transport::{Outgoing, Properties, names},
};
use uuid::Uuid;

pub(crate) const ROLE: &str = "BLOODBANK_FAULT_ROLE";
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
        ["RABBIT_URL", "REDIS_URL", "EXCHANGE_NAME", "SERVICE_NAME", "BLOODBANK_PUBLISH_TIMEOUT_MS"]
            .contains(&name.as_str())
    }))
    .unwrap();
    // A broker that is down: the parent starts another.
    let Ok(bus) = Bus::connect(settings).await else { std::process::exit(1) };
    match role.as_str() {
        "publisher" => publish(bus).await,
        "consumer" => consume(bus).await,
        _ => panic!("no role {role}"),
    }
}

fn fate() -> Fate {
    match Uuid::new_v4().as_u128() % 20_000 {
        0..=1 => Fate::KillsInTheHandler,
        2..=3 => Fate::KillsBeforeTheAck,
        100..=139 => Fate::Hangs,
        200..=299 => Fate::Panics,
        300..=399 => Fate::Refused,
        400..=799 => Fate::FailsOnce,
        _ => Fate::Handled,
    }
}

/// Publishes until it is told to stop, and says what was confirmed.
async fn publish(bus: Bus) {
    let stop = Arc::new(AtomicBool::new(false));
    let publishers: Vec<_> = (0..24)
        .map(|_| {
            let (bus, stop) = (bus.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    publish_one(&bus).await;
                    tokio::time::sleep(Duration::from_millis(150)).await;
                }
            })
        })
        .collect();
    let poked = bus.clone();
    let lines = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Handle::current();
        for line in std::io::stdin().lock().lines() {
            match line.as_deref() {
                // The broker closes the channel, with everything that is in flight on it.
                Ok("channel error") => drop(runtime.spawn(missing_exchange(poked.clone()))),
                Ok("stop") | Err(_) => break,
                Ok(other) => panic!("no order {other:?}"),
            }
        }
    });
    lines.await.unwrap();
    stop.store(true, Ordering::Relaxed);
    for publisher in publishers {
        publisher.await.unwrap();
    }
    bus.close().await;
    std::process::exit(0);
}

async fn publish_one(bus: &Bus) {
    let id = Uuid::new_v4();
    say(format_args!("sent {id}"));
    let published = if id.as_u128().is_multiple_of(200) {
        let message = Outgoing {
            exchange: Arc::clone(bus.exchange()),
            routing_key: "faults.job.created".into(),
            properties: Properties { message_id: Some(id), ..Properties::default() },
            body: "no envelope".into(),
            mandatory: true,
        };
        bus.transport().publish(message).await.map(|published| published.unrouted)
    } else {
        bus.publish(Job { fate: fate() }).event_id(id).await.map(|receipt| receipt.unrouted)
    };
    match published {
        Ok(unrouted) => {
            assert!(!unrouted, "the queues exist");
            say(format_args!("confirmed {id}"));
        }
        Err(_) => say(format_args!("unknown {id}")),
    }
}

async fn missing_exchange(bus: Bus) {
    let message = Outgoing {
        exchange: "faults.nowhere".into(),
        routing_key: "x".into(),
        properties: Properties::default(),
        body: "{}".into(),
        mandatory: true,
    };
    assert!(bus.transport().publish(message).await.is_err(), "there is no such exchange");
}

/// Consumes until it is told to stop, and says what was handled.
async fn consume(bus: Bus) {
    let app = App::new(SERVICE, bus).subscribe(work).subscribe(once).subscribe(audit);
    // A broker that goes down just now: the parent starts another.
    let stopped = app.run().await;
    std::process::exit(i32::from(stopped.is_err()));
}

#[subscriber(concurrency = 8, timeout = "1s", retry(max_attempts = 2, backoff = "250ms"))]
async fn work(job: Job, context: Context, publisher: Publisher) -> Result<Finished, HandlerError> {
    let id = context.event_id();
    let is_first = context.attempt() == 1 && !context.redelivered();
    match job.fate {
        Fate::KillsInTheHandler if is_first => std::process::abort(),
        Fate::KillsBeforeTheAck if is_first => {
            publisher.publish(Finished { of: id }).await?;
            std::process::abort();
        }
        Fate::FailsOnce if context.attempt() == 1 => return Err(HandlerError::retry("not yet")),
        Fate::Refused => return Err(HandlerError::permanent("refused")),
        Fate::Panics => panic!("as it must"),
        Fate::Hangs => std::future::pending::<()>().await,
        Fate::Handled | Fate::FailsOnce | Fate::KillsInTheHandler | Fate::KillsBeforeTheAck => {}
    }
    say(format_args!("handled {id}"));
    Ok(Finished { of: id })
}

#[subscriber(concurrency = 8, dedupe(within = "1h"))]
async fn once(_: Job, context: Context) {
    let is_flagged = context.may_be_duplicate()
        || context.redelivered()
        || context.attempt() > 1
        || context.headers().get(names::RETURNED).is_some();
    say(format_args!("once {} {}", context.event_id(), if is_flagged { "flagged" } else { "first" }));
}

#[subscriber(concurrency = 4)]
async fn audit(finished: Finished) {
    say(format_args!("followed {}", finished.of));
}
