//! Replays: asked for on the history, watched, cancelled and gone on with.

use std::{path::PathBuf, time::Duration};

use bloodbank_core::{
    Bus, Settings,
    settings::QueueKind,
    transport::{Topology, topology::Queue},
};
use bloodbank_harness::unique;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

use crate::{
    shop::order,
    support::{Served, TOKENS, csrf, header, read, serve_on},
};

const QUEUE: &str = "shop.charge";

/// A dashboard of a bus in a file with a few events, whose subscriber is away.
struct Shop {
    dashboard: Served,
    cookie: String,
    folder: PathBuf,
}

impl Shop {
    async fn open() -> Self {
        Self::with(5).await
    }

    async fn with(events: usize) -> Self {
        let folder = std::env::temp_dir().join(unique("dashboard-replays"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let vars = [("BLOODBANK_EMBEDDED_PATH", folder.join("bus.db").display().to_string())];
        let bus = Bus::connect(Settings::from_vars(vars).expect("settings")).await.expect("a file");
        let queues = [Queue::new(QUEUE, QueueKind::Classic)];
        bus.transport().declare(Topology::default().queues(queues)).await.expect("declared");
        for number in 0..events {
            bus.publish(order(&format!("o-<i>{number}"), "DE")).await.expect("published");
        }
        let dashboard = serve_on(bus, TOKENS).await;
        let cookie = dashboard.sign_in("may-do-everything-here").await;
        Self { dashboard, cookie, folder }
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        read(self.signed(self.dashboard.get(path))).await
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("cookie", &self.cookie)
    }

    /// Sends a form of a page, and returns where it leads.
    async fn send(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> String {
        let fields = [&[("csrf", csrf(page))], fields].concat();
        let answer = self.signed(self.dashboard.post(path, &fields)).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        header(&answer, "location")
    }

    /// Waits until a page has a text.
    async fn until(&self, path: &str, text: &str) -> String {
        let seen = async {
            loop {
                let (_, page) = self.get(path).await;
                if page.contains(text) {
                    return page;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let Ok(page) = tokio::time::timeout(Duration::from_secs(60), seen).await else {
            panic!("never {text:?}: {}", self.get(path).await.1)
        };
        page
    }

    async fn waiting(&self) -> u64 {
        let queue = self.dashboard.gateway.bus().transport().queue(QUEUE.into()).await.expect("the bus answers");
        queue.expect("it is there").waiting
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_searched_for_goes_to_one_subscriber_again() {
    let shop = Shop::open().await;
    let mut audit = shop.dashboard.gateway.live(&["bloodbank.replay.*".to_owned()]).await.expect("a stream");
    let (_, history) = shop.get("/dashboard/history?pattern=shop.%23").await;
    let link = "/dashboard/replays/new?pattern=shop.%23";
    assert!(history.contains(&format!("href=\"{link}\"")) && !history.contains("Replays</h2>"), "{history}");
    let (_, page) = shop.get(link).await;
    assert!(page.contains(&format!("<option value=\"{QUEUE}\">")) && !page.contains("would go to"), "{page}");
    let (_, page) = shop.get(&format!("{link}&queue={QUEUE}&text=o-%3Ci%3E&until=2999-01-01T00:00:00Z")).await;
    assert!(page.contains("5 events would go to") && page.contains("text in the payload o-&lt;i&gt;"), "{page}");
    assert!(page.contains("type=\"hidden\" name=\"text\" value=\"o-&lt;i&gt;\""), "the form asks for the same: {page}");
    assert_eq!(shop.waiting().await, 0, "nothing was sent yet");
    let fields = [("queue", QUEUE), ("pattern", "shop.#"), ("text", "o-<i>")];
    let replay = shop.send(&page, "/dashboard/replays", &fields).await;
    let page = shop.until(&replay, "Done").await;
    assert!(page.contains("5 events sent") && page.contains("100 %") && !page.contains("data-refresh"), "{page}");
    assert!(!page.contains("Go on"), "{page}");
    assert_eq!(shop.waiting().await, 5);
    let (_, history) = shop.get("/dashboard/history").await;
    assert!(history.contains(&format!("href=\"{replay}\"")), "{history}");
    let event = audit.next().await.expect("an audit event");
    let event: Value = serde_json::from_slice(event.body()).expect("an envelope");
    let told = &event["payload"];
    assert_eq!((&told["queue"], &told["who"], &told["resumed"]), (&QUEUE.into(), &"ops".into(), &false.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_was_cancelled_goes_on() {
    // Fifteen seconds, of which a busy machine needs some to cancel it.
    let shop = Shop::with(15).await;
    let (_, page) = shop.get("/dashboard").await;
    let slow = [("queue", QUEUE), ("rate", "1")];
    let replay = shop.send(&page, "/dashboard/replays", &slow).await;
    let page = shop.until(&replay, "Running").await;
    assert!(page.contains("data-refresh=\"1\""), "{page}");
    while shop.waiting().await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(shop.send(&page, &format!("{replay}/cancel"), &[]).await, replay);
    let page = shop.until(&replay, "Cancelled").await;
    let before = shop.waiting().await;
    assert!(before < 15, "it was cancelled in time");
    assert_eq!(shop.send(&page, &format!("{replay}/resume"), &[]).await, replay);
    shop.until(&replay, "Done").await;
    // No gap, and nothing twice. What the audit published is not among them: it is newer.
    assert_eq!(shop.waiting().await, 15);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_cannot_begin_says_why() {
    let shop = Shop::open().await;
    for (query, fault) in [
        ("queue=no.such.queue", "no.such.queue"),
        ("queue=shop.charge&rate=%3Cb%3E", "“&lt;b&gt;” is not a number of events per second"),
        ("queue=shop.charge&pattern=a..b", "The pattern is not valid"),
        ("queue=shop.charge&pattern=llm.%23", "0 events would go to"),
    ] {
        let (status, page) = shop.get(&format!("/dashboard/replays/new?{query}")).await;
        assert!(status == StatusCode::OK && page.contains(fault), "{query}: {page}");
    }
    let (_, page) = shop.get("/dashboard").await;
    let fields = [("csrf", csrf(&page)), ("pattern", "shop.#")];
    let (status, page) = read(shop.signed(shop.dashboard.post("/dashboard/replays", &fields))).await;
    assert!(status == StatusCode::BAD_REQUEST && page.contains("No subscriber is chosen"), "{page}");
}
