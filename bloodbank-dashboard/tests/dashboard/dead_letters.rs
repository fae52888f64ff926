//! Dead letters: looking at them, bringing them back, correcting and discarding them.

use std::time::Duration;

use bloodbank_core::{App, Bus, DeadLetters, RunningApp};
use bloodbank_gateway::LiveEvents;
use bloodbank_harness::unique;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    shop::{charge, order, ship},
    support::{Served, TOKENS, buses, csrf, header, read, serve_on},
};

/// A shop that runs, and the dashboard of its bus as an operator sees it.
struct Shop {
    dashboard: Served,
    cookie: String,
    queue: String,
    app: RunningApp,
    audit: LiveEvents,
}

impl Shop {
    async fn open(bus: Bus) -> Self {
        let name = unique("shop");
        let app =
            App::new(name.as_str(), bus.clone()).subscribe(charge).subscribe(ship).start().await.expect("it starts");
        let dashboard = serve_on(bus, TOKENS).await;
        let cookie = dashboard.sign_in("may-do-everything-here").await;
        let audit = dashboard.gateway.live(&["bloodbank.dead_letter.*".to_owned()]).await.expect("a stream");
        Self { dashboard, cookie, queue: format!("{name}.charge"), app, audit }
    }

    fn bus(&self) -> &Bus {
        self.dashboard.gateway.bus()
    }

    fn letters(&self) -> DeadLetters {
        DeadLetters::of(self.bus(), self.queue.as_str())
    }

    /// Waits until so many letters lie there.
    async fn has_letters(&self, number: usize) {
        let letters = self.letters();
        let seen = async {
            while letters.count().await.expect("the bus answers") != number {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), seen).await.unwrap_or_else(|_| panic!("never {number} letters"));
    }

    fn place(&self, rest: &str) -> String {
        format!("/dashboard/dead-letters/{}{rest}", self.queue)
    }

    /// A page, once it has looked into every queue.
    async fn get(&self, path: &str) -> (StatusCode, String) {
        loop {
            let (status, page) = read(self.signed(self.dashboard.get(path))).await;
            if !page.contains("one still looks") {
                return (status, page);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("cookie", &self.cookie)
    }

    /// Sends a form of a page; the status, and where it leads or what it says.
    async fn send(&self, path: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
        let (_, page) = self.get("/dashboard").await;
        let fields: Vec<_> = fields.iter().copied().chain([("csrf", csrf(&page))]).collect();
        let answer = self.signed(self.dashboard.post(path, &fields)).send().await.expect("an answer");
        match answer.status() {
            StatusCode::SEE_OTHER => (StatusCode::SEE_OTHER, header(&answer, "location")),
            status => (status, answer.text().await.expect("a text")),
        }
    }

    /// The result of an action that ends on the page of its progress.
    async fn swept(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let (status, place) = self.send(path, fields).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{place}");
        loop {
            let (_, page) = self.get(&place).await;
            if !page.contains("<progress") {
                return page;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The next audit event: its key and its payload.
    async fn audited(&mut self) -> (String, Value) {
        let event = tokio::time::timeout(Duration::from_secs(60), self.audit.next()).await.expect("an audit event");
        let event = event.expect("the stream goes on");
        let envelope: Value = serde_json::from_slice(event.body()).expect("an envelope");
        assert_eq!(envelope["source"]["meta"]["client"], "ops", "{envelope}");
        (event.event_type().to_owned(), envelope["payload"].clone())
    }
}

/// The fingerprint in a link of a page.
fn group_of(page: &str) -> &str {
    page.split_once("?group=").expect("a group").1.split(['"', '&']).next().expect("its end")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_found_corrected_redriven_and_discarded() {
    for bus in buses().await {
        let mut shop = Shop::open(bus).await;
        let mut ids = Vec::new();
        for number in 1..=3 {
            let order = order(&format!("o-{number}-<b>"), "XX");
            ids.push(shop.bus().publish(order).await.expect("published").event_id);
        }
        shop.has_letters(3).await;

        // Three letters, one failure: the number of the order makes no difference.
        let (status, groups) = shop.get("/dashboard/dead-letters").await;
        assert_eq!(status, StatusCode::OK, "{groups}");
        assert_eq!(groups.matches("?group=").count(), 1, "{groups}");
        assert!(groups.contains("<b>3</b>") && groups.contains("goes to no country that we know"), "{groups}");
        assert!(!groups.contains("-<b> goes"), "markup in an error");
        let group = group_of(&groups).to_owned();
        let (_, list) = shop.get(&shop.place(&format!("?group={group}"))).await;
        assert!(ids.iter().all(|id| list.contains(&format!("value=\"{id}\""))), "{list}");
        let (_, one) = shop.get(&shop.place(&format!("?q={}", ids[1]))).await;
        assert!(one.contains(&ids[1].to_string()) && !one.contains(&ids[0].to_string()), "{one}");

        let letter = shop.place(&format!("/letters/{}", ids[0]));
        let (status, page) = shop.get(&letter).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        assert!(
            page.contains("Yes: this program reads the event") && page.contains("&quot;country&quot;: &quot;XX&quot;"),
            "{page}"
        );

        // A correction is checked against the schema, and what was entered is not lost.
        let edit = format!("{letter}/edit");
        let mut payload = json!(order("o-1", "DE"));
        payload["total_cents"] = json!(0);
        let (status, refused) = shop.send(&edit, &[("payload", &payload.to_string())]).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{refused}");
        assert!(refused.contains("<code>/total_cents</code>") && refused.contains("&quot;o-1&quot;"), "{refused}");
        let (status, refused) = shop.send(&edit, &[("payload", "{\"<b>")]).await;
        assert!(status == StatusCode::UNPROCESSABLE_ENTITY && refused.contains("This is not JSON"), "{refused}");
        shop.has_letters(3).await;

        payload["total_cents"] = json!(4200);
        let (status, place) = shop.send(&edit, &[("payload", &payload.to_string())]).await;
        assert_eq!(status, StatusCode::SEE_OTHER, "{place}");
        let corrected: Uuid = place.split_once("?edited=").expect("its id").1.parse().expect("an id");
        shop.has_letters(2).await;
        assert_ne!(corrected, ids[0]);
        let tracker = shop.bus().correlation().expect("correlation").clone();
        assert_eq!(tracker.parents(corrected).await.expect("the store answers"), [ids[0]]);
        let handled = async {
            while tracker.children(corrected).await.expect("the store answers").is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), handled).await.expect("the corrected order is charged");
        let (key, said) = shop.audited().await;
        assert_eq!((&*key, &said["dead_letters"]), ("bloodbank.dead_letter.edited", &json!([ids[0]])));
        let (status, again) = shop.send(&edit, &[("payload", &payload.to_string())]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{again}");

        // The others fail again, and have been redriven once.
        let done = shop.swept(&shop.place("/redrive"), &[("group", &group)]).await;
        assert!(done.contains("2 dead letters were redriven"), "{done}");
        let (key, said) = shop.audited().await;
        assert_eq!((&*key, &said["done"]), ("bloodbank.dead_letter.redriven", &json!(2)));
        shop.has_letters(2).await;
        let (_, page) = shop.get(&shop.place(&format!("/letters/{}", ids[1]))).await;
        assert!(page.contains("Redriven before"), "{page}");

        // Discarding asks first.
        let discard = shop.place("/discard");
        let second = ids[1].to_string();
        let (status, question) = shop.send(&discard, &[("id", &second)]).await;
        assert!(status == StatusCode::OK && question.contains("Discard 1 dead letter?"), "{question}");
        shop.has_letters(2).await;
        let done = shop.swept(&discard, &[("ids", &second), ("confirmed", "yes")]).await;
        assert!(done.contains("1 dead letter was discarded"), "{done}");
        shop.has_letters(1).await;
        assert_eq!(shop.audited().await.0, "bloodbank.dead_letter.discarded");
        let gone = shop.swept(&discard, &[("ids", &second), ("confirmed", "yes")]).await;
        assert!(gone.contains("1 dead letter of those selected is not here any more"), "{gone}");
        let (status, nothing) = shop.send(&shop.place("/redrive"), &[]).await;
        assert!(status == StatusCode::BAD_REQUEST && nothing.contains("No dead letter is selected"), "{nothing}");
        let Shop { app, .. } = shop;
        app.shutdown().await.expect("it ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_keeps_no_letter_from_others() {
    for bus in buses().await {
        let shop = Shop::open(bus).await;
        for number in 0..20 {
            shop.bus().publish(order(&format!("o-{number}"), "XX")).await.expect("published");
        }
        shop.has_letters(20).await;
        // Everybody sees all of them at the same time: nobody holds a part of them.
        let looks = (0..8).map(|_| shop.get("/dashboard/dead-letters"));
        for (status, page) in futures_util::future::join_all(looks).await {
            assert!(status == StatusCode::OK && page.contains("20 dead letters, in groups"), "{page}");
        }
        assert_eq!(shop.letters().count().await.expect("the bus answers"), 20);
        assert_eq!(shop.letters().list(&Default::default()).await.expect("the bus answers").len(), 20);
        let Shop { app, .. } = shop;
        app.shutdown().await.expect("it ends");
    }
}
