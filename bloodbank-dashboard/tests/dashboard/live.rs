//! Live events.

use std::time::Duration;

use bloodbank_core::Bus;
use futures_util::StreamExt;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use crate::{
    shop::order,
    support::{Served, TOKENS, read, serve, serve_on},
};

/// The batches of a stream, until there are so many events in them, shown or left out.
async fn batches(request: RequestBuilder, number: u64) -> Vec<Value> {
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    let mut body = answer.bytes_stream();
    let (mut text, mut found, mut seen) = (String::new(), Vec::new(), 0);
    let reading = async {
        while seen < number {
            text.push_str(std::str::from_utf8(&body.next().await.expect("more").expect("bytes")).expect("UTF-8"));
            while let Some((line, rest)) = text.split_once('\n') {
                if let Some(data) = line.strip_prefix("data: ") {
                    let batch: Value = serde_json::from_str(data).expect("JSON");
                    seen += batch["rows"].as_array().expect("rows").len() as u64
                        + batch["dropped"].as_u64().expect("a number");
                    found.push(batch);
                }
                text = rest.to_owned();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("the events come");
    found
}

async fn publish(dashboard: &Served, number: usize) {
    let bus = dashboard.gateway.bus();
    for number in 0..number {
        bus.publish(order(&format!("o-{number}"), "DE")).await.expect("published");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_bus_is_shown_in_part_and_the_rest_is_counted() {
    let dashboard = serve("").await;
    let stream = batches(dashboard.get("/dashboard/live/events?pattern=shop.%23"), 600);
    let publishing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        publish(&dashboard, 600).await;
    };
    let (found, ()) = tokio::join!(stream, publishing);
    assert!(found.iter().all(|batch| batch["rows"].as_array().expect("rows").len() <= 50), "a batch is bounded");
    let dropped: u64 = found.iter().filter_map(|batch| batch["dropped"].as_u64()).sum();
    assert!(dropped > 0, "{} batches", found.len());
    let row = &found[0]["rows"][0];
    assert_eq!(row["type"], "shop.order.placed");
    assert!(row["text"].as_str().expect("text").starts_with("{\"order_id\":\"o-0\""), "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_sees_what_their_token_reads_and_what_they_select() {
    let dashboard = serve_on(Bus::embedded(), TOKENS).await;
    let cookie = dashboard.sign_in("may-read-every-event").await;
    let get = |path: &str| dashboard.get(path).header("cookie", &cookie);
    let (status, page) = read(get("/dashboard/live")).await;
    assert!(status == StatusCode::OK && page.contains("No event yet"), "{page}");
    let shown = async |path: &str| {
        let seen = async {
            loop {
                let (_, page) = read(get(path)).await;
                if page.contains("o-0") {
                    return;
                }
                publish(&dashboard, 1).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), seen).await.expect("the events are kept");
    };
    shown("/dashboard/live").await;
    for (path, shows) in [
        ("/dashboard/live?pattern=shop.order.*", true),
        ("/dashboard/live?pattern=llm.%23", false),
        ("/dashboard/live?source=BLOOD", true),
        ("/dashboard/live?source=nobody", false),
    ] {
        let (_, page) = read(get(path)).await;
        assert_eq!(page.contains("o-0"), shows, "{path}");
    }
    let (_, page) = read(get("/dashboard/live?pattern=a..b")).await;
    assert!(page.contains("This is no pattern"), "{page}");

    let cookie = dashboard.sign_in("may-read-llm-events-only").await;
    let get = |path: &str| dashboard.get(path).header("cookie", &cookie);
    let (_, page) = read(get("/dashboard/live")).await;
    assert!(!page.contains("o-0") && !page.contains("/dashboard/trace/"), "{page}");
    let (status, _) = read(get("/dashboard/live/events?pattern=shop.%23")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}
