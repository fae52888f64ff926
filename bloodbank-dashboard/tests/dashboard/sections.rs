//! Flow, commands, history, outbox and the API.

use std::time::Duration;

use bloodbank_core::{App, Bus, Settings};
use bloodbank_harness::unique;
use reqwest::StatusCode;
use serde_json::Value;

use crate::{
    shop::{charge, order, ship},
    support::{Served, serve, serve_on},
};

/// Waits until a page has a text.
pub(crate) async fn until(dashboard: &Served, path: &str, text: &str) -> String {
    let seen = async {
        loop {
            let (status, page) = dashboard.page(path).await;
            if status == StatusCode::OK && page.contains(text) {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let Ok(page) = tokio::time::timeout(Duration::from_secs(60), seen).await else {
        panic!("never {text:?} at {path}: {}", dashboard.page(path).await.1)
    };
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flow_shows_what_handlers_say_and_what_was_seen() {
    // The gateway comes first, so that the handlers count.
    let dashboard = serve("").await;
    let bus = dashboard.gateway.bus().clone();
    let name = unique("flow");
    let app = App::new(name.as_str(), bus.clone()).subscribe(charge).subscribe(ship).start().await.expect("it starts");
    let page = until(&dashboard, "/dashboard/flow?q=shop.%23", "<svg").await;
    assert!(
        page.contains("charge") && page.contains("ship") && page.contains("/dashboard/events/shop.order.charged"),
        "{page}"
    );
    let seen = async {
        loop {
            bus.publish(order("o-1", "DE")).await.expect("published");
            let (_, page) = dashboard.page("/dashboard/flow?q=shop.order.placed").await;
            let is_seen = |key: &str| {
                page.contains(&format!("<title>{key}, seen ")) && !page.contains(&format!("<title>{key}, seen 0 times"))
            };
            if is_seen("shop.order.placed") && is_seen("shop.order.shipped") && !page.contains(">0 handled") {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let page = tokio::time::timeout(Duration::from_secs(60), seen).await.expect("the events are counted");
    assert!(!page.contains("artifact."), "only what follows: {page}");
    let (_, mermaid) = dashboard.page("/dashboard/flow/mermaid?q=shop.%23").await;
    assert!(mermaid.starts_with("flowchart") && mermaid.contains("shop.order.shipped"), "{mermaid}");
    let (_, none) = dashboard.page("/dashboard/flow?q=no.such.event").await;
    assert!(none.contains("No handler of this program handles one of these events"), "{none}");
    app.shutdown().await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_show_who_executes_them() {
    let dashboard = serve("").await;
    let (status, page) = dashboard.page("/dashboard/commands").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("none in this program") || page.contains("links no commands"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_read_page_by_page_and_says_what_it_needs() {
    let dashboard = serve("").await;
    let (status, page) = dashboard.page("/dashboard/history").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("keeps no journal") && page.contains("BLOODBANK_EMBEDDED_PATH"), "{page}");

    let folder = std::env::temp_dir().join(unique("dashboard-history"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("bus.db").display().to_string();
    let vars = [("BLOODBANK_EMBEDDED_PATH", file)];
    let bus = Bus::connect(Settings::from_vars(vars).expect("settings")).await.expect("a file");
    for number in 0..150 {
        bus.publish(order(&format!("o-<i>{number}"), "DE")).await.expect("published");
    }
    let dashboard = serve_on(bus, "").await;
    let (_, page) = dashboard.page("/dashboard/history").await;
    assert_eq!(page.matches("/dashboard/trace/").count(), 100, "{page}");
    assert!(
        page.contains("o-&lt;i&gt;149") && !page.contains("o-<i>") && !page.contains("o-&lt;i&gt;49\\&quot;"),
        "{page}"
    );
    let older = page.split("rel=\"next\" href=\"").nth(1).expect("older ones").split('"').next().expect("its end");
    let (_, page) = dashboard.page(&format!("/dashboard/history{}", older.replace("&amp;", "&"))).await;
    assert_eq!(page.matches("/dashboard/trace/").count(), 50, "{page}");
    assert!(page.contains("o-&lt;i&gt;0") && page.contains("← Newest"), "{page}");
    for (query, found) in [
        ("pattern=llm.%23", 0),
        ("pattern=shop.order.*", 100),
        ("text=o-%3Ci%3E77", 1),
        ("until=2000-01-01T00:00:00Z", 0),
    ] {
        let (_, page) = dashboard.page(&format!("/dashboard/history?{query}")).await;
        assert_eq!(page.matches("/dashboard/trace/").count(), found, "{query}: {page}");
    }
    for (query, fault) in [("pattern=a..b", "The pattern is not valid"), ("since=%3Cb%3E", "“&lt;b&gt;” is not a time")]
    {
        let (status, page) = dashboard.page(&format!("/dashboard/history?{query}")).await;
        assert!(status == StatusCode::OK && page.contains(fault), "{query}: {page}");
    }
    std::fs::remove_dir_all(folder).expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_is_shown_by_the_process_that_relays_it() {
    let dashboard = serve("").await;
    let (status, page) = dashboard.page("/dashboard/outbox").await;
    assert!(status == StatusCode::OK && page.contains("runs no relay") && page.contains("bb outbox list"), "{page}");
    // What a relay of this process counts.
    metrics::gauge!("bloodbank_outbox_rows").set(1234.0);
    metrics::gauge!("bloodbank_outbox_oldest_seconds").set(90.0);
    metrics::counter!("bloodbank_outbox_parked_total").increment(2);
    let (_, page) = dashboard.page("/dashboard/outbox").await;
    assert!(page.contains("1\u{202f}234") && page.contains("2 events could not be published"), "{page}");
    assert!(page.contains("The oldest event has waited for 1 min"), "{page}");
    let (_, page) = dashboard.page("/dashboard").await;
    assert!(page.contains("in the outbox"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_documented_and_can_be_tried() {
    let dashboard = serve("").await;
    let (status, page) = dashboard.page("/docs").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("class=\"side\"") && page.contains("/dead-letters"),
        "in the clothes of the dashboard: {page}"
    );
    assert!(page.contains("href=\"/dashboard/events/llm.prompt/publish\"") && page.contains("curl "), "{page}");
    assert_eq!(page.matches("href=\"/queues\"").count(), 1, "a list can be opened: {page}");
    let (_, some) = dashboard.page("/docs?q=dead").await;
    assert!(some.contains("/dead-letters") && !some.contains("/events/llm/prompt"), "{some}");
    let (_, channels) = dashboard.page("/asyncapi?q=shop").await;
    assert!(
        channels.contains("shop.order.placed") && channels.contains("charge") && !channels.contains("llm.prompt"),
        "{channels}"
    );
    for (path, member) in [("/dashboard/openapi.json", "openapi"), ("/dashboard/asyncapi.json", "asyncapi")] {
        let (_, text) = dashboard.page(path).await;
        let document: Value = serde_json::from_str(&text).expect("JSON");
        assert!(document[member].is_string(), "{path}");
    }
}
