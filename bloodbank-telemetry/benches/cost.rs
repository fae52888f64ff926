//! What spans cost an event that is published and handled: where nobody listens, where lines are logged, and where they are exported.
//!
//!     cargo bench -p bloodbank-telemetry --bench cost
//!     cargo bench -p bloodbank-telemetry --bench cost -- logging
//!     OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318 cargo bench -p bloodbank-telemetry --bench cost -- traces

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use bloodbank::prelude::*;

const EVENTS: u32 = 100_000;
static HANDLED: AtomicU32 = AtomicU32::new(0);

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "cost.order.placed")]
struct OrderPlaced {
    number: u32,
}

#[subscriber(prefetch = 256)]
async fn ship(_order: OrderPlaced) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = std::env::args().find(|argument| ["logging", "traces"].contains(&&**argument));
    let _telemetry = match listener.as_deref() {
        Some("logging") => {
            bloodbank::init_logging();
            None
        }
        Some(_) => Some(bloodbank_telemetry::init()?),
        None => None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let bus = Bus::embedded();
        let app = App::new("shipping", bus.clone()).subscribe(ship).start().await?;
        for round in 1..=5 {
            HANDLED.store(0, Ordering::Relaxed);
            let (start, cpu_before) = (Instant::now(), cpu());
            for receipt in bus.publish_all((0..EVENTS).map(|number| OrderPlaced { number })).await {
                receipt?;
            }
            while HANDLED.load(Ordering::Relaxed) < EVENTS {
                tokio::task::yield_now().await;
            }
            let (wall, cpu) = (start.elapsed() / EVENTS, (cpu() - cpu_before) / EVENTS);
            println!("round {round}: {wall:?} an event, {cpu:?} of this thread");
        }
        app.shutdown().await?;
        Ok(())
    })
}

/// What this thread used of a processor; elsewhere than on Linux nothing.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = stat.as_deref().and_then(|stat| stat.split(' ').next()?.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}
