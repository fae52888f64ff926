//! A file in which many events wait: memory, opening, publishing behind them, handling them, and a history that finds
//! nothing. Each step is a process of its own, whose memory is its own.

use std::{
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use bloodbank_core::{
    Result, Settings,
    message::{Outgoing, Properties},
    routing::BindingPattern,
    store::{JournalQuery, Position},
    transport::{Consume, Publish, Transport},
};
use bloodbank_embedded::Embedded;
use bytes::Bytes;
use futures_util::StreamExt;
use uuid::Uuid;

const EXCHANGE: &str = "bloodbank.events.v1";
const QUEUE: &str = "bench.orders";
const KEY: &str = "orders.order.placed";
const IN_FLIGHT: usize = 256;
/// The events that are published behind the others, and then handled from the beginning.
const SAMPLE: u32 = 50_000;
const ROUNDS: usize = 5;

/// Fills a file with so many events, and looks at it.
pub(crate) async fn measure(events: u32) -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let count = events.to_string();
    std::fs::write(folder.path().join("count"), &count).expect("a file");
    for role in ["fill", "open", "open", "open", "open", "open", "history", "publish", "handle"] {
        let program = std::env::current_exe().expect("this program");
        let status = Command::new(program).args([role.as_ref(), folder.path().as_os_str()]).status();
        assert!(status.expect("a process").success(), "{role}");
    }
    Ok(())
}

/// One step, in a process of its own.
pub(crate) async fn run(role: &str, folder: &Path) -> Result<()> {
    let begun = Instant::now();
    let bus = Embedded::open(&folder.join("bus.db")).await?;
    let opened = begun.elapsed();
    bus.declare(super::topology(&EXCHANGE.into(), &QUEUE.into())).await?;
    let count = std::fs::read_to_string(folder.join("count")).expect("a file").parse().expect("a number");
    let said = match role {
        "fill" => rate(count, publish(&bus, count).await),
        "open" => format!("opened in {opened:.1?}, {:?} wait", bus.depth(QUEUE).unwrap_or_default().0),
        "history" => history(&bus).await?,
        "publish" => rate(SAMPLE, publish(&bus, SAMPLE).await),
        "handle" => rate(SAMPLE, handle(&bus, SAMPLE).await?),
        _ => panic!("unknown step {role}"),
    };
    println!("{role:<8} {said}; {} MiB resident, at most {} MiB", resident("VmRSS"), resident("VmHWM"));
    bus.close().await;
    Ok(())
}

fn rate(events: u32, spent: Duration) -> String {
    let cpu = 1e6 * cpu().as_secs_f64() / f64::from(events);
    format!(
        "{events} events, {:.0} events/s, {cpu:.1} µs of processor time each",
        f64::from(events) / spent.as_secs_f64()
    )
}

/// What all threads of this process have used of the processors.
fn cpu() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = tasks.filter_map(|task| {
        let stat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

async fn publish(bus: &Embedded, events: u32) -> Duration {
    let (exchange, key): (Arc<str>, Arc<str>) = (EXCHANGE.into(), KEY.into());
    let begun = Instant::now();
    let publishes = futures_util::stream::iter(0..events).for_each_concurrent(IN_FLIGHT, async |_| {
        let properties = Properties::default().message_id(Uuid::new_v4()).event_type(Arc::clone(&key));
        let message = Outgoing::new(Arc::clone(&exchange), Arc::clone(&key), Bytes::from(vec![b'x'; 750]));
        bus.publish(message.properties(properties).mandatory()).await.expect("the disk has space");
    });
    publishes.await;
    begun.elapsed()
}

async fn handle(bus: &Embedded, events: u32) -> Result<Duration> {
    let begun = Instant::now();
    let mut deliveries = bus.consume(QUEUE.into(), 256).await?;
    for _ in 0..events {
        deliveries.next().await.expect("the bus is open").ack();
    }
    // Behind everything that was acknowledged.
    publish(bus, 1).await;
    Ok(begun.elapsed())
}

/// A page of a history that has nothing of what is asked for.
async fn history(bus: &Embedded) -> Result<String> {
    let journal = bus.stores(&Settings::default()).journal.expect("a file has a journal");
    let pattern = BindingPattern::parse("bills.#").expect("a pattern");
    let mut times = Vec::new();
    for position in [Position::Last(100), Position::Start] {
        let mut spent = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let found = journal.read(JournalQuery::all().pattern(pattern.clone()), position).count().await;
            assert_eq!(found, 0);
            spent.push(begun.elapsed());
        }
        spent.sort_unstable();
        times.push(spent[ROUNDS / 2]);
    }
    Ok(format!("nothing found from the end in {:.2?}, from the beginning in {:.2?}", times[0], times[1]))
}

/// A figure about the memory of this process, in MiB.
fn resident(figure: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(figure));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
