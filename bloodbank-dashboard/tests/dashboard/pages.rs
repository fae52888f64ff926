//! What the pages say.

use axum::Router;
use bloodbank_core::{
    Bus,
    message::Outgoing,
    settings::QueueKind,
    transport::{Topology, topology::Queue},
};
use bloodbank_gateway::{Gateway, router};
use bloodbank_harness::unique;
use reqwest::StatusCode;

use crate::support::{TOKENS, buses, client, header, read, serve, serve_on};

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_names_what_needs_a_person() {
    for bus in buses().await {
        let system = bus.transport().system();
        let queue = unique("shop.<b>ship");
        let parked = format!("{queue}.dlq");
        let queues = [&queue, &parked].map(|name| Queue::new(name.clone(), QueueKind::Classic));
        bus.transport().declare(Topology::default().queues(queues)).await.expect("declared");
        for name in [&queue, &queue, &parked] {
            bus.transport().publish(Outgoing::new("", name.as_str(), "{}").mandatory()).await.expect("confirmed");
        }
        let dashboard = serve_on(bus, "").await;
        let (status, text) = dashboard.page("/").await;
        assert_eq!(status, StatusCode::OK, "{text}");
        assert!(!text.contains("<b>ship"), "markup in the name of a queue");
        if system == "embedded" {
            let name = queue.replace('<', "&lt;").replace('>', "&gt;");
            assert!(text.contains(&format!("1 dead letter waits in {name}.")), "{text}");
            assert!(
                text.contains(&format!("2 messages wait in {name}")) && text.contains("nobody takes them"),
                "{text}"
            );
        } else {
            // The broker of the tests has no management API.
            assert!(text.contains("Only the queues of this program are shown"), "{text}");
        }
        assert!(text.contains("Healthy"), "{system}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_are_shown_to_whoever_reads_everything() {
    let bus = Bus::embedded();
    let queues = [Queue::new("shop.ship", QueueKind::Classic)];
    bus.transport().declare(Topology::default().queues(queues)).await.expect("declared");
    let dashboard = serve_on(bus, TOKENS).await;
    for (secret, shows) in [("may-read-llm-events-only", false), ("may-read-every-event", true)] {
        let cookie = dashboard.sign_in(secret).await;
        let (_, text) = read(dashboard.get("/dashboard").header("cookie", cookie)).await;
        assert_eq!(text.contains("shop.ship"), shows, "{secret}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_and_explained() {
    let dashboard = serve("").await;
    let (_, all) = dashboard.page("/dashboard/events").await;
    assert!(all.contains("llm.prompt") && all.contains("github.pr.created"));
    let (_, some) = dashboard.page("/dashboard/events?q=PULL+request").await;
    assert!(some.contains("github.pr.created") && !some.contains("llm.prompt"), "{some}");
    let (_, none) = dashboard.page("/dashboard/events?q=%3Cscript%3E").await;
    assert!(none.contains("No event has “&lt;script&gt;”"), "{none}");

    let (status, event) = dashboard.page("/dashboard/events/artifact.%7Baction%7D").await;
    assert_eq!(status, StatusCode::OK);
    assert!(event.contains("<code>artifact.{action}</code>") && event.contains("Example"), "{event}");
    let (status, unknown) = dashboard.page("/dashboard/events/no.such%3Cb%3E").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(unknown.contains("No event `no.such&lt;b&gt;`"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_load_nothing_from_elsewhere_and_run_nothing_within() {
    let dashboard = serve("").await;
    for path in [
        "/",
        "/dashboard/events",
        "/dashboard/events/llm.prompt",
        "/dashboard/events/none",
        "/dashboard/events/llm.prompt/publish",
        "/dashboard/live",
        "/dashboard/trace",
        "/dashboard/flow",
        "/dashboard/commands",
        "/dashboard/history",
        "/dashboard/outbox",
        "/docs",
        "/asyncapi",
    ] {
        let answer = dashboard.get(path).send().await.expect("an answer");
        let policy = header(&answer, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header(&answer, "cache-control"), "no-store");
        let text = answer.text().await.expect("a text");
        assert!(!text.contains(" style=") && !text.contains("<style"), "{path} has a style that the policy refuses");
        assert!(
            !text.contains(" onclick=") && !text.contains("<script>"),
            "{path} has a script that the policy refuses"
        );
        for (_, address) in text
            .match_indices("src=\"")
            .chain(text.match_indices("href=\""))
            .map(|(at, _)| (at, text[at..].split('"').nth(1).expect("an address")))
        {
            assert!(address.starts_with(['/', '#', '?']), "{path} leads to {address}");
        }
    }
    let (_, page) = dashboard.page("/").await;
    let style =
        page.split("href=\"").find(|part| part.starts_with("/dashboard/assets/dashboard.css")).expect("a style");
    let answer = dashboard.get(style.split('"').next().expect("its end")).send().await.expect("an answer");
    assert_eq!(header(&answer, "content-type"), "text/css; charset=utf-8");
    assert!(header(&answer, "cache-control").contains("immutable"));
    assert_eq!(dashboard.page("/dashboard/assets/..%2FCargo.toml").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn links_follow_an_application_around_the_gateway() {
    let gateway = Gateway::builder(Bus::embedded()).endpoints(bloodbank_dashboard::endpoints()).build();
    let app: Router = Router::new().nest("/bus", router(gateway));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, app).await });
    let (_, page) = read(client().get(format!("http://{address}/bus"))).await;
    assert!(page.contains("href=\"/bus/dashboard/events\"") && !page.contains("href=\"/dashboard"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_for_programs_leaves_pages_out() {
    let dashboard = serve("").await;
    let (_, document) = dashboard.page("/openapi.json").await;
    assert!(document.contains("\"/events/custom\"") && !document.contains("/dashboard"), "{document}");
}
