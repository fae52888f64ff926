//! What the embedded bus costs below the typed one: publish, take and acknowledge, in memory and in a file; and what a
//! file costs in which many events wait.
//!
//!     cargo bench -p bloodbank-core --bench embedded
//!     cargo bench -p bloodbank-core --bench embedded -- backlog 1000000
//!     cargo bench -p bloodbank-core --bench embedded -- declare

// The transports that a setting chooses between.
use bloodbank_amqp as _;
use bloodbank_embedded as _;

mod backlog;

use std::{
    env,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use bloodbank_core::{
    Result,
    message::{Outgoing, Properties},
    settings::QueueKind,
    transport::{Consume, Publish, Topology},
};
use bloodbank_embedded::Embedded;
use bytes::Bytes;
use futures_util::StreamExt;
use uuid::Uuid;

const EVENTS: u32 = 500_000;

fn topology(exchange: &Arc<str>, queue: &Arc<str>) -> Topology {
    Topology::subscriber(exchange, queue, QueueKind::Quorum, &["orders.order.placed".into()])
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // Cargo adds `--bench`.
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    runtime.block_on(async {
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] => {}
            ["declare"] => return declare(),
            ["backlog", events] => return backlog::measure(events.parse().expect("a number of events")).await,
            [role, folder] => return backlog::run(role, folder.as_ref()).await,
            _ => panic!("unknown arguments {arguments:?}"),
        }
        for round in 1..=3 {
            let (many, each) = (file(256, 50_000).await?, file(1, 1_000).await?);
            println!("file, round {round}: {many:.0} confirmed events/s with 256 in flight, {each:.0} one at a time");
        }
        for round in 1..=3 {
            let plain = memory(false).await?;
            let headers = memory(true).await?;
            println!("memory, round {round}: publish + take + ack {plain:?}, with a traceparent {headers:?}");
        }
        Ok(())
    })
}

/// What this thread used of a CPU; elsewhere than on Linux the time on the wall.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = stat.as_deref().and_then(|stat| stat.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| EPOCH.elapsed(), Duration::from_nanos)
}

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How long it takes to declare subscribers, together: each has a queue, a binding by a pattern of its own, and one by `#`.
fn declare() -> Result<()> {
    for count in [1_000, 10_000] {
        let mut spent = Vec::new();
        for _ in 0..5 {
            let begun = Instant::now();
            let mut topology = Topology::default();
            topology.extend((0..count).map(|number| {
                let patterns = ["#".into(), format!("orders.o{number}.#").into()];
                let queue = format!("bench.q{number}").into();
                Topology::subscriber(&"bloodbank.events.v1".into(), &queue, QueueKind::Quorum, &patterns)
            }));
            let brought_together = begun.elapsed();
            Embedded::in_memory().declare_now(&topology)?;
            spent.push((begun.elapsed() - brought_together, brought_together));
        }
        spent.sort_unstable();
        let (declared, brought_together) = spent[2];
        println!(
            "{count} subscribers: topologies brought together in {brought_together:.1?}, declared in {declared:.1?}"
        );
    }
    Ok(())
}

/// One event after the other: the CPU time of publish, take and ack together.
async fn memory(with_header: bool) -> Result<Duration> {
    let bus = Embedded::in_memory();
    let exchange: Arc<str> = "bloodbank.events.v1".into();
    let queue: Arc<str> = "bench.orders".into();
    let key: Arc<str> = "orders.order.placed".into();
    let app: Arc<str> = "bench".into();
    bus.declare(topology(&exchange, &queue)).await?;
    let mut deliveries = bus.consume(Arc::clone(&queue), 256).await?;
    let body = vec![b'x'; 753];
    let mut properties = Properties::default().message_id(Uuid::new_v4()).event_type(Arc::clone(&key)).app_id(app);
    if with_header {
        properties.headers.set("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    }
    let mut spent = Duration::ZERO;
    const BURST: u32 = 1_000;
    for _ in 0..EVENTS / BURST {
        // Making the message is the caller's affair.
        let messages: Vec<Outgoing> = (0..BURST)
            .map(|_| {
                Outgoing::new(Arc::clone(&exchange), Arc::clone(&key), Bytes::from(body.clone()))
                    .properties(properties.clone())
                    .mandatory()
            })
            .collect();
        let start = cpu();
        for message in messages {
            bus.publish(message).await?;
            let delivery = deliveries.next().await.expect("the bus is open");
            delivery.ack();
        }
        spent += cpu() - start;
    }
    Ok(spent / EVENTS)
}

/// Confirmed events per second with so many in flight, while a consumer takes and acknowledges them.
async fn file(in_flight: usize, events: u32) -> Result<f64> {
    use bloodbank_core::transport::Transport;

    let folder = tempfile::tempdir().expect("a folder");
    let bus = Embedded::open(&folder.path().join("bus.db")).await?;
    let exchange: Arc<str> = "bloodbank.events.v1".into();
    let queue: Arc<str> = "bench.orders".into();
    bus.declare(topology(&exchange, &queue)).await?;
    let mut deliveries = bus.consume(queue, 256).await?;
    let (bus, exchange) = (&bus, &exchange);
    let key: &Arc<str> = &"orders.order.placed".into();
    let start = Instant::now();
    let publish = futures_util::stream::iter(0..events).for_each_concurrent(in_flight, async |_| {
        let properties = Properties::default().message_id(Uuid::new_v4()).event_type(Arc::clone(key));
        let message = Outgoing::new(Arc::clone(exchange), Arc::clone(key), Bytes::from(vec![b'x'; 753]))
            .properties(properties)
            .mandatory();
        bus.publish(message).await.expect("the disk has space");
    });
    let consume = async {
        for _ in 0..events {
            deliveries.next().await.expect("the bus is open").ack();
        }
    };
    let (spent, ()) = futures_util::join!(
        async {
            publish.await;
            start.elapsed()
        },
        consume
    );
    bus.close().await;
    Ok(f64::from(events) / spent.as_secs_f64())
}
