//! A broker that does not answer, and callers that do not wait for it without end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bloodbank::{ErrorKind, Settings, prelude::*};
use bloodbank_harness::{Direction, Proxy, RabbitMq, unique};
use futures_util::future::join_all;
use tokio::task::spawn_blocking;

use super::poison::resident_kib;

const DEADLINE: Duration = Duration::from_secs(1);
/// More than are in flight at a time.
const CALLERS: usize = 1_000;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "deadline.call.made")]
struct Made {
    text: String,
}

#[subscriber]
async fn listen(_: Made) {}

/// Every caller at once: each gets his answer in time, and it says why.
async fn all_end_in_time(bus: &Bus, what: &str) {
    let calls = (0..CALLERS).map(|_| async {
        let begun = Instant::now();
        let error = bus.publish(Made { text: "x".repeat(1_000) }).await.expect_err("nobody confirms it");
        (error.kind(), begun.elapsed())
    });
    let ended = join_all(calls).await;
    let latest = ended.iter().map(|(_, took)| *took).max().unwrap();
    assert!(latest < DEADLINE + Duration::from_secs(1), "{what}: the last after {latest:?}");
    // A connection that ends meanwhile is another reason.
    let is_known = |kind: &ErrorKind| matches!(kind, ErrorKind::Deadline | ErrorKind::Connection);
    assert!(
        ended.iter().all(|(kind, _)| is_known(kind)),
        "{what}: {:?}",
        ended.iter().find(|(kind, _)| !is_known(kind))
    );
}

pub(crate) async fn calls_end_in_time_and_memory_stays_flat() {
    let started = spawn_blocking(|| {
        let broker = RabbitMq::start().expect("this test needs a RabbitMQ");
        let proxy = Proxy::to(broker.port()).unwrap();
        (Arc::new(broker), proxy)
    });
    let (broker, proxy) = started.await.unwrap();
    let with = async |order: fn(&RabbitMq)| {
        let broker = Arc::clone(&broker);
        spawn_blocking(move || order(&broker)).await.unwrap();
    };
    let mut settings = Settings::default();
    settings.exchange_name = unique("deadline");
    settings.rabbit_url = Some(broker.url_through(proxy.port()).into());
    settings.publish_timeout = DEADLINE;
    let bus = Bus::connect(settings).await.unwrap();
    let app = App::new(unique("deadline"), bus.clone()).subscribe(listen).start().await.unwrap();
    bus.publish(Made { text: String::new() }).await.unwrap();

    with(|broker| drop(broker.ctl(&["set_vm_memory_high_watermark", "absolute", "1"]).unwrap())).await;
    // What a burst takes, it takes once.
    for _ in 0..3 {
        all_end_in_time(&bus, "a memory alarm").await;
    }
    let early = resident_kib();
    for _ in 0..5 {
        all_end_in_time(&bus, "a memory alarm").await;
    }
    let late = resident_kib();
    println!("under an alarm: {} MiB, later {} MiB", early / 1024, late / 1024);
    assert!(late < early + early / 10, "the memory grows under an alarm: {early} KiB, later {late} KiB");
    with(|broker| drop(broker.ctl(&["set_vm_memory_high_watermark", "absolute", "2GB"]).unwrap())).await;

    with(|broker| broker.pause().unwrap()).await;
    all_end_in_time(&bus, "a frozen broker").await;
    with(|broker| broker.resume().unwrap()).await;

    proxy.stall(Direction::ToClient);
    all_end_in_time(&bus, "answers that do not arrive").await;
    proxy.resume();
    let begun = Instant::now();
    while bus.publish(Made { text: String::new() }).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not go on");
    }
    app.shutdown().await.unwrap();
    bus.close().await;
}
