//! Sustained load: a typed publisher with confirms and a typed subscriber, at 80 % of what they and the broker reach on this
//! machine, which is measured first.
//!
//! Run: `./scripts/load.sh [MINUTES]` (starts its own RabbitMQ). Prints each ten seconds the memory of this process, the
//! rates and how long confirms take; ends with what was sent, confirmed, handled, duplicated and lost. Fails when something
//! is lost, or the memory is not flat: the last third of the run within 10 % of the middle third.
#![allow(clippy::unwrap_used, reason = "a load that cannot go on has nothing to say")]

mod ledger;
mod memory;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bloodbank::{Settings, prelude::*};
use bloodbank_harness::{RabbitMq, unique};
use ledger::Ledger;
use memory::{Memory, resident_kib};
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

/// The number of events in flight: the window of a bus.
const WINDOW: usize = 256;
const CEILING: Duration = Duration::from_secs(10);
const SHARE: f64 = 0.8;
const INTERVAL: Duration = Duration::from_secs(10);
/// The time in which all events must be handled after the last was sent.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A sentence somebody said; about 700 bytes on the wire.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "load.sentence.heard")]
struct Heard {
    number: usize,
    speaker: Option<String>,
    text: String,
    start: f64,
    tags: Vec<String>,
}

#[subscriber(prefetch = 1000)]
async fn listen(heard: Heard, State(ledger): State<Arc<Ledger>>) {
    ledger.handled(heard.number);
}

fn main() -> ExitCode {
    let minutes = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let Some(minutes) = minutes.and_then(|minutes| minutes.parse::<f64>().ok()) else {
        println!("load: say for how many minutes: `./scripts/load.sh 10`");
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let broker = RabbitMq::start().unwrap();
    // In a task, as in a service; the main thread of a runtime is no worker.
    let load = runtime.spawn(load(broker.url(), Duration::from_secs_f64(minutes * 60.0)));
    if runtime.block_on(load).unwrap() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn load(url: String, duration: Duration) -> bool {
    let mut settings = Settings::default();
    settings.rabbit_url = Some(url.into());
    settings.exchange_name = unique("load");
    let bus = Bus::connect(settings).await.unwrap();

    let ceiling = {
        let ledger = Arc::new(Ledger::with_room_for(2_000_000));
        let app = App::new("load", bus.clone()).state(Arc::clone(&ledger)).subscribe(listen).start().await.unwrap();
        let begun = Instant::now();
        let publishers = Publishers::start(&bus, &ledger, None);
        sleep(CEILING).await;
        publishers.stop().await;
        let is_handled = ledger.is_settled_within(SETTLE_TIMEOUT).await;
        let ceiling = ledger.confirmed_count() as f64 / begun.elapsed().as_secs_f64();
        app.shutdown().await.unwrap();
        assert!(is_handled, "the ceiling cannot be measured");
        ceiling
    };
    let rate = ceiling * SHARE;
    println!("ceiling {ceiling:.0} events/s; {rate:.0} events/s for {:.1} minutes", duration.as_secs_f64() / 60.0);

    let ledger = Arc::new(Ledger::with_room_for((rate * duration.as_secs_f64() * 1.1) as usize + WINDOW));
    let app = App::new("load", bus.clone()).state(Arc::clone(&ledger)).subscribe(listen).start().await.unwrap();
    let begun = Instant::now();
    let publishers = Publishers::start(&bus, &ledger, Some(rate));
    let mut memory = Memory::default();
    println!("{:>7}{:>10}{:>12}{:>12}{:>12}{:>12}", "s", "RSS MiB", "confirmed/s", "handled/s", "p50 ms", "p99 ms");
    let mut last = ledger.snapshot();
    while begun.elapsed() < duration {
        sleep(INTERVAL.min(duration.saturating_sub(begun.elapsed()))).await;
        let (resident, now) = (resident_kib(), ledger.snapshot());
        memory.add(resident);
        println!("{:>7.0}{:>10.1}{}", begun.elapsed().as_secs_f64(), resident as f64 / 1024.0, now.since(&last));
        last = now;
    }
    let behind = publishers.stop().await;
    ledger.is_settled_within(SETTLE_TIMEOUT).await;
    let (lost, duplicated) = (ledger.lost(), ledger.duplicated());
    println!(
        "sent {} confirmed {} failed {} handled {} duplicated {duplicated} lost {lost}; behind the rate at most {behind} \
         events; confirm p50 {:.1} ms, p99 {:.1} ms; memory {memory}",
        ledger.sent_count(),
        ledger.confirmed_count(),
        ledger.failed_count(),
        ledger.handled_count(),
        ledger.snapshot().quantile(0.5),
        ledger.snapshot().quantile(0.99),
    );
    app.shutdown().await.unwrap();
    bus.close().await;
    lost == 0 && memory.is_flat()
}

/// The publishing tasks, each with one event at a time, as fast as possible or at a common rate.
struct Publishers {
    tasks: JoinSet<()>,
    stopping: Arc<AtomicBool>,
    pace: Option<tokio::task::JoinHandle<usize>>,
}

impl Publishers {
    fn start(bus: &Bus, ledger: &Arc<Ledger>, rate: Option<f64>) -> Self {
        let due = Arc::new(Semaphore::new(if rate.is_some() { 0 } else { Semaphore::MAX_PERMITS }));
        let stopping = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..WINDOW {
            let (bus, ledger, due, stopping) =
                (bus.clone(), Arc::clone(ledger), Arc::clone(&due), Arc::clone(&stopping));
            tasks.spawn(async move {
                while let Ok(permit) = due.acquire().await
                    && !stopping.load(Ordering::Relaxed)
                    && let Some(number) = ledger.next()
                {
                    permit.forget();
                    let begun = Instant::now();
                    let published = bus.publish(event(number)).await;
                    ledger.published(
                        number,
                        published.is_ok_and(|receipt| receipt.unrouted != Some(true)),
                        begun.elapsed(),
                    );
                }
                // The others wait for what there will not be.
                due.close();
            });
        }
        let pace = rate.map(|rate| tokio::spawn(pace(rate, due, Arc::clone(&stopping))));
        Self { tasks, stopping, pace }
    }

    /// Stops the tasks, waits for every confirm, and returns the largest number of events that were due and not begun.
    async fn stop(mut self) -> usize {
        self.stopping.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        match self.pace {
            Some(pace) => pace.await.unwrap(),
            None => 0,
        }
    }
}

/// Makes events due at a rate per second, whether those before are done or not.
async fn pace(rate: f64, due: Arc<Semaphore>, stopping: Arc<AtomicBool>) -> usize {
    let (begun, mut given, mut behind) = (Instant::now(), 0, 0);
    while !due.is_closed() {
        let wanted = (begun.elapsed().as_secs_f64() * rate) as usize;
        due.add_permits(wanted - given + usize::from(stopping.load(Ordering::Relaxed)) * WINDOW);
        given = wanted;
        behind = behind.max(due.available_permits());
        sleep(Duration::from_millis(2)).await;
    }
    behind
}

fn event(number: usize) -> Heard {
    Heard {
        number,
        speaker: Some("Ana".into()),
        text: "Two of those days went into chasing a lost event. ".repeat(6),
        start: 9.52,
        tags: vec!["release".into(), "delivery".into()],
    }
}
