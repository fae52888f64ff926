//! Traces.

use bloodbank_core::{App, Bus};
use bloodbank_harness::unique;
use reqwest::StatusCode;
use uuid::Uuid;

use crate::{
    sections::until,
    shop::{charge, order, ship},
    support::{buses, read, serve, serve_on},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_shows_causes_effects_payloads_and_what_was_given_up() {
    for bus in buses().await {
        let name = unique("shop");
        let app =
            App::new(name.as_str(), bus.clone()).subscribe(charge).subscribe(ship).start().await.expect("it starts");
        let dashboard = serve_on(bus, "").await;
        // From now on, the last events are kept.
        let live = dashboard.gateway.live(&["#".to_owned()]).await.expect("a stream");
        let bus = dashboard.gateway.bus().clone();
        let placed = bus.publish(order("o-<i>", "DE")).await.expect("published").event_id;
        let place = format!("/dashboard/trace/{placed}");
        let page = until(&dashboard, &place, "shop.order.shipped").await;
        assert!(
            page.contains("3 events within") && page.contains("shop.order.charged") && page.contains("<svg"),
            "{page}"
        );
        let page = until(&dashboard, &place, "&quot;o-&lt;i&gt;&quot;").await;
        assert!(!page.contains("o-<i>"), "{page}");

        let (_, mermaid) = dashboard.page(&format!("{place}/mermaid")).await;
        assert!(mermaid.starts_with("flowchart TD") && mermaid.contains("shop.order.charged"), "{mermaid}");
        let (_, json) = read(dashboard.get(&format!("{place}/json"))).await;
        assert!(json.contains("\"around\"") && json.contains(&placed.to_string()), "{json}");

        let failed = bus.publish(order("o-2", "XX")).await.expect("published").event_id;
        let page = until(&dashboard, &format!("/dashboard/trace/{failed}"), "See the dead letter").await;
        assert!(page.contains("class=\"node lost\""), "{page}");
        assert!(page.contains(&format!("/dashboard/dead-letters/{name}.charge/letters/{failed}")), "{page}");
        drop(live);
        app.shutdown().await.expect("it ends");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_siblings_are_one_node_until_somebody_wants_to_see_each() {
    let bus = Bus::embedded();
    let root = bus.publish(order("o-0", "DE")).await.expect("published").event_id;
    let mut last = Uuid::nil();
    for number in 0..412 {
        let line = order(&format!("o-{number}"), "DE");
        last =
            bus.publish(line).event_id(Uuid::from_u128(number + 1)).causes([root]).await.expect("published").event_id;
    }
    let dashboard = serve_on(bus, "").await;
    let (_, page) = dashboard.page(&format!("/dashboard/trace/{root}")).await;
    assert!(page.contains("× 412") && page.contains("show each"), "{page}");
    assert_eq!(page.matches("class=\"node fact\"").count(), 2, "{page}");
    let first = Uuid::from_u128(1);
    let (_, each) = dashboard.page(&format!("/dashboard/trace/{root}?each={first}")).await;
    assert_eq!(each.matches("class=\"node fact\"").count(), 202, "the first 200, and the rest");
    // The one that was asked for is seen alone among them.
    let (_, page) = dashboard.page(&format!("/dashboard/trace/{last}")).await;
    assert!(page.contains("× 411"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_leads_to_its_trace_and_others_are_refused() {
    let dashboard = serve("").await;
    let id = Uuid::from_u128(7);
    let answer = dashboard.get(&format!("/dashboard/trace?id=+{id}+")).send().await.expect("an answer");
    assert_eq!(crate::support::header(&answer, "location"), format!("/dashboard/trace/{id}"));
    let (status, page) = dashboard.page("/dashboard/trace?id=%3Cb%3E").await;
    assert!(
        status == StatusCode::OK && page.contains("not the id of an event") && page.contains("value=\"&lt;b&gt;\""),
        "{page}"
    );
    let (status, page) = dashboard.page(&format!("/dashboard/trace/{id}")).await;
    assert!(status == StatusCode::NOT_FOUND && page.contains("Nothing is known of an event"), "{page}");
    assert_eq!(dashboard.page("/dashboard/trace/7").await.0, StatusCode::BAD_REQUEST);
}
