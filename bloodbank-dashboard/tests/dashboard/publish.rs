//! Publishing through a form.

use bloodbank_core::Bus;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Served, TOKENS, csrf, header, read, serve, serve_on};

const FORM: &str = "/dashboard/events/shop.order.placed/publish";

/// An order without a mistake, as fields of the form.
const ORDER: [(&str, &str); 9] = [
    ("f/order_id", "o-1"),
    ("f/total_cents", "4200"),
    ("n/lines", "1"),
    ("f/lines/0/sku", "A-17"),
    ("f/lines/0/count", "2"),
    ("f/address/street", "Main Street 1"),
    ("f/address/town", "Springfield"),
    ("f/address/country", "DE"),
    ("f/speed", "\"express\""),
];

async fn send(dashboard: &Served, fields: &[(&str, &str)]) -> (StatusCode, String) {
    let (_, page) = dashboard.page("/dashboard/events/shop.order.placed/publish").await;
    let fields: Vec<_> = fields.iter().copied().chain([("csrf", csrf(&page))]).collect();
    let answer = dashboard.post(FORM, &fields).send().await.expect("an answer");
    match answer.status() {
        StatusCode::SEE_OTHER => (StatusCode::SEE_OTHER, header(&answer, "location")),
        status => (status, answer.text().await.expect("a text")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_stands_at_its_field_and_its_correction_is_published() {
    let dashboard = serve("").await;
    let mut live = dashboard.gateway.live(&["shop.order.placed".to_owned()]).await.expect("a stream");
    let wrong: Vec<_> =
        ORDER.iter().map(|(name, value)| (*name, if *name == "f/lines/0/count" { "0" } else { *value })).collect();
    let (status, page) = send(&dashboard, &wrong).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{page}");
    let (_, fault) = page.split_once("id=\"e/lines/0/count\" data-fault>").expect("the place of the fault");
    assert!(fault.starts_with("<p>"), "{page}");
    assert!(page.contains("value=\"Main Street 1\"") && page.contains("href=\"#f/lines/0/count\""), "{page}");

    let (status, place) = send(&dashboard, &ORDER).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{place}");
    let event = tokio::time::timeout(std::time::Duration::from_secs(30), live.next())
        .await
        .expect("it came")
        .expect("an event");
    let envelope: Value = serde_json::from_slice(event.body()).expect("an envelope");
    let expected = json!({
        "order_id": "o-1", "total_cents": 4200, "lines": [{ "sku": "A-17", "count": 2 }],
        "address": { "street": "Main Street 1", "town": "Springfield", "country": "DE" }, "speed": "express", "note": null,
    });
    assert_eq!(envelope["payload"], expected);
    assert_eq!(envelope["source"]["meta"]["via"], "dashboard");
    let id = event.event_id().expect("an id").to_string();
    assert!(place.contains(&format!("?published={id}")), "{place}");
    let (_, page) = dashboard.page(&place).await;
    assert!(page.contains(&format!("/dashboard/trace/{id}")) && !page.contains("No queue received it"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_sent_twice_publishes_one_event() {
    let dashboard = serve("").await;
    let id = "6f1c2a9e-7a53-4f7e-9d43-0c4b6a2f1e11";
    let fields: Vec<_> = ORDER.into_iter().chain([("event_id", id)]).collect();
    for _ in 0..2 {
        let (_, place) = send(&dashboard, &fields).await;
        // Nobody takes it, and nobody looks at live events.
        assert!(place.contains(id) && place.ends_with("&unrouted=yes"), "{place}");
        let (_, page) = dashboard.page(&place).await;
        assert!(page.contains("No queue received it"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_grow_and_shrink_and_examples_fill_in_without_javascript() {
    let dashboard = serve("").await;
    let with = |field| ORDER.into_iter().chain([field]).collect::<Vec<_>>();
    let (status, page) = send(&dashboard, &with(("add", "/lines"))).await;
    assert!(
        status == StatusCode::OK && page.contains("name=\"f/lines/1/sku\"") && page.contains("value=\"A-17\""),
        "{page}"
    );
    let (_, page) = send(&dashboard, &with(("remove", "/lines/0"))).await;
    assert!(!page.contains("name=\"f/lines/0/sku\"") && page.contains("name=\"n/lines\" value=\"0\""), "{page}");
    let (status, page) = send(&dashboard, &with(("check", "yes"))).await;
    assert!(status == StatusCode::OK && !page.contains("aria-invalid"), "{page}");
    let (_, page) = dashboard.page(&format!("{FORM}?fill=example")).await;
    assert!(page.contains("name=\"f/lines/0/count\"") && page.contains("value=\"1\""), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_entered_as_it_is() {
    let dashboard = serve("").await;
    let (_, page) = dashboard.page(&format!("{FORM}?as=json&fill=example")).await;
    assert!(page.contains("&quot;order_id&quot;"), "{page}");
    let (status, page) = send(&dashboard, &[("json", "{\"order_id\": ")]).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("This is not JSON"), "{page}");
    let (status, page) = send(&dashboard, &[("json", "{\"order_id\": \"<b>\"}")]).await;
    assert!(status == StatusCode::UNPROCESSABLE_ENTITY && page.contains("&lt;b&gt;"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_publishes_what_its_patterns_say() {
    const PROMPT: &str = "/dashboard/events/llm.prompt/publish";
    let dashboard = serve_on(Bus::embedded(), TOKENS).await;
    for cookie in ["", "bloodbank-session=", "bloodbank-session=6e.1.2.3"] {
        for request in [dashboard.get(FORM), dashboard.post(FORM, &ORDER)] {
            let answer = request.header("cookie", cookie).send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{cookie}");
            assert!(header(&answer, "location").starts_with("/dashboard/sign-in"), "{cookie}");
        }
    }
    // The token, and whether it publishes the prompt and the order.
    for (secret, prompt, order) in [
        ("may-do-nothing-at-all", false, false),
        ("may-read-llm-events-only", true, false),
        ("may-read-every-event", false, false),
        ("may-do-everything-here", true, true),
    ] {
        let cookie = dashboard.sign_in(secret).await;
        let get = async |path: &str| read(dashboard.get(path).header("cookie", &cookie)).await;
        let (_, event) = get("/dashboard/events/llm.prompt").await;
        assert_eq!(event.contains(PROMPT), prompt, "{secret}: {event}");
        assert_eq!(get(PROMPT).await.0.is_success(), prompt, "{secret}");
        assert_eq!(get(FORM).await.0.is_success(), order, "{secret}");
        let (_, page) = get("/dashboard").await;
        let send = async |token: &str| {
            let fields = ORDER.into_iter().chain([("csrf", token)]).collect::<Vec<_>>();
            dashboard.post(FORM, &fields).header("cookie", &cookie).send().await.expect("an answer").status()
        };
        assert_eq!(send("forged").await, StatusCode::FORBIDDEN, "{secret}");
        let expected = if order { StatusCode::SEE_OTHER } else { StatusCode::FORBIDDEN };
        assert_eq!(send(csrf(&page)).await, expected, "{secret}");
    }
}
