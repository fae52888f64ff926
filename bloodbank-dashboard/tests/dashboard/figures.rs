//! What a page costs at the server. How long each takes is printed, and judged by whoever reads it: how busy this machine is is
//! no fault of a page.
//! `cargo nextest run -p bloodbank-dashboard --all-features --test dashboard figures --no-capture`.

use std::time::{Duration, Instant};

use bloodbank_core::{
    Bus,
    message::Outgoing,
    settings::QueueKind,
    transport::{Topology, topology::Queue},
};
use reqwest::StatusCode;
use uuid::Uuid;

use crate::{
    sections::until,
    shop::order,
    support::{Served, serve, serve_on},
};

/// The largest size of a page in bytes, however much there is to be shown.
const LARGEST: usize = 200_000;

/// The shortest of some answers: whatever else this machine does makes none of them shorter.
async fn time_of(dashboard: &Served, path: &str) -> String {
    let mut shortest = Duration::MAX;
    let mut text = String::new();
    for _ in 0..5 {
        let begin = Instant::now();
        let (status, page) = dashboard.page(path).await;
        shortest = shortest.min(begin.elapsed());
        assert_eq!(status, StatusCode::OK, "{path}: {page}");
        text = page;
    }
    println!("{:>7.1} ms {:>8} bytes  {path}", shortest.as_secs_f64() * 1000.0, text.len());
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_small() {
    let dashboard = serve("").await;
    for path in [
        "/",
        "/dashboard/events",
        "/dashboard/events/shop.order.placed",
        "/dashboard/events/shop.order.placed/publish",
        "/dashboard/live",
        "/dashboard/trace",
        "/dashboard/dead-letters",
        "/dashboard/flow",
        "/dashboard/commands",
        "/dashboard/history",
        "/dashboard/outbox",
        "/docs",
        "/asyncapi",
    ] {
        let page = time_of(&dashboard, path).await;
        assert!(page.len() < LARGEST, "{path} has {} bytes", page.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_dead_letters_are_shown_page_by_page() {
    const NUMBER: usize = 10_000;
    let bus = Bus::embedded();
    let queues = ["shop.ship", "shop.ship.dlq"].map(|name| Queue::new(name, QueueKind::Classic));
    bus.transport().declare(Topology::default().queues(queues)).await.expect("declared");
    for number in 0..NUMBER {
        let body = serde_json::json!({ "order_id": format!("o-{number}") }).to_string();
        let message = Outgoing::new("", "shop.ship.dlq", body).mandatory();
        bus.transport().publish(message).await.expect("confirmed");
    }
    let dashboard = serve_on(bus, "").await;
    // The first look takes them from the queue, and puts them back. No page waits for it.
    let begin = Instant::now();
    for path in ["/dashboard/dead-letters", "/dashboard/dead-letters/shop.ship"] {
        let (status, page) = dashboard.page(path).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        assert!(page.contains("data-refresh=\"1\"") || page.contains("10\u{202f}000"), "{page}");
    }
    until(&dashboard, "/dashboard/dead-letters", "10\u{202f}000 dead letters").await;
    println!("{:>7.1} ms the first look at {NUMBER} dead letters", begin.elapsed().as_secs_f64() * 1000.0);
    for path in
        ["/dashboard/dead-letters", "/dashboard/dead-letters/shop.ship", "/dashboard/dead-letters/shop.ship?page=100"]
    {
        let page = time_of(&dashboard, path).await;
        assert!(page.len() < LARGEST, "{path} has {} bytes", page.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_of_five_thousand_events_opens() {
    let bus = Bus::embedded();
    let root = bus.publish(order("o-0", "DE")).await.expect("published").event_id;
    // A tree: each event has seven effects.
    let id = |number: u128| if number == 0 { root } else { Uuid::from_u128(number) };
    for number in 1..5000 {
        let line = bus.publish(order("o-1", "DE")).event_id(id(number)).causes([id((number - 1) / 7)]);
        line.await.expect("published");
    }
    let dashboard = serve_on(bus, "").await;
    let page = time_of(&dashboard, &format!("/dashboard/trace/{root}")).await;
    assert!(page.contains("5\u{202f}000 events"), "{page}");
}
