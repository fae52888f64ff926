//! Who sees which page, and who may do what.

use bloodbank_core::{
    Bus,
    settings::QueueKind,
    transport::{Topology, topology::Queue},
};
use reqwest::StatusCode;

use crate::support::{TOKENS, csrf, header, read, serve, serve_on};

/// Every page, and the first of these who may see it: whoever has signed in (0), reads some events (1), reads all (2), does
/// everything (3).
const PAGES: [(&str, usize); 26] = [
    ("/", 0),
    ("/dashboard", 0),
    ("/dashboard/events", 0),
    ("/dashboard/events/llm.prompt", 0),
    ("/dashboard/live", 0),
    ("/dashboard/live/events", 1),
    ("/dashboard/trace", 2),
    ("/dashboard/trace/00000000-0000-4000-8000-000000000007", 2),
    ("/dashboard/trace/00000000-0000-4000-8000-000000000007/mermaid", 2),
    ("/dashboard/trace/00000000-0000-4000-8000-000000000007/json", 2),
    ("/dashboard/dead-letters", 2),
    ("/dashboard/dead-letters/shop.ship", 2),
    ("/dashboard/dead-letters/shop.ship/letters/m-001122334455", 2),
    ("/dashboard/dead-letters/shop.ship/letters/m-001122334455/edit", 3),
    ("/dashboard/sweeps/00000000-0000-4000-8000-000000000007", 2),
    ("/dashboard/flow", 2),
    ("/dashboard/flow/mermaid", 2),
    ("/dashboard/commands", 0),
    ("/dashboard/history", 2),
    ("/dashboard/replays/new", 3),
    ("/dashboard/replays/00000000-0000-4000-8000-000000000007", 2),
    ("/dashboard/outbox", 2),
    ("/docs", 0),
    ("/asyncapi", 0),
    ("/dashboard/openapi.json", 0),
    ("/dashboard/asyncapi.json", 0),
];
/// Every action, and the first who may do it.
const ACTIONS: [(&str, usize); 7] = [
    ("/dashboard/dead-letters/shop.ship/redrive", 3),
    ("/dashboard/dead-letters/shop.ship/discard", 3),
    ("/dashboard/dead-letters/shop.ship/letters/m-001122334455/edit", 3),
    ("/dashboard/replays", 3),
    ("/dashboard/replays/00000000-0000-4000-8000-000000000007/cancel", 3),
    ("/dashboard/replays/00000000-0000-4000-8000-000000000007/resume", 3),
    ("/dashboard/sign-out", 0),
];
/// What the tables leave out: it is for everybody, or the patterns of a token say for which event.
const OTHERS: [&str; 3] = ["/dashboard/sign-in", "/dashboard/assets/{name}", "/dashboard/events/{key}/publish"];

/// Whether a path fits the path of an endpoint, which has parameters.
fn fits(path: &str, template: &str) -> bool {
    let (mut found, mut wanted) = (path.split('/'), template.split('/'));
    loop {
        match (found.next(), wanted.next()) {
            (None, None) => return true,
            (Some(found), Some(wanted)) if found == wanted || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

/// What whoever may see a page is answered: there is no such letter, trace, sweep and replay.
fn answer_of(path: &str) -> StatusCode {
    let is_none = ["/letters/", "/trace/", "/sweeps/", "/replays/0"].iter().any(|part| path.contains(part));
    if is_none { StatusCode::NOT_FOUND } else { StatusCode::OK }
}

#[test]
fn no_page_and_no_action_is_left_out() {
    let tested = |method: &str, template: &str| {
        let table = if method == "GET" { &PAGES[..] } else { &ACTIONS[..] };
        OTHERS.contains(&template) || table.iter().any(|(path, _)| fits(path, template))
    };
    let endpoints = bloodbank_dashboard::endpoints();
    let missing: Vec<_> = endpoints
        .iter()
        .filter(|endpoint| !tested(endpoint.method().as_str(), endpoint.path()))
        .map(|endpoint| format!("{} {}", endpoint.method(), endpoint.path()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(!tested("GET", "/dashboard/other") && !tested("POST", "/dashboard"));
}

const SECRETS: [&str; 4] =
    ["may-do-nothing-at-all", "may-read-llm-events-only", "may-read-every-event", "may-do-everything-here"];

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_for_whom_the_table_says() {
    let dashboard = serve_on(bus_with_queue().await, TOKENS).await;
    for (path, first) in PAGES {
        for cookie in [None, Some("bloodbank-session=6e.1.2.3"), Some("bloodbank-session=")] {
            let mut request = dashboard.get(path);
            if let Some(cookie) = cookie {
                request = request.header("cookie", cookie);
            }
            let answer = request.send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path} {cookie:?}");
            assert!(header(&answer, "location").starts_with("/dashboard/sign-in?next=%2F"), "{path}");
        }
        for (number, secret) in SECRETS.into_iter().enumerate() {
            let cookie = dashboard.sign_in(secret).await;
            // The body of a stream has no end.
            let status = dashboard.get(path).header("cookie", cookie).send().await.expect("an answer").status();
            let expected = if number < first { StatusCode::FORBIDDEN } else { answer_of(path) };
            assert_eq!(status, expected, "{path} with {secret}");
        }
    }
    // A secret is for a form, and no header of a page: a page of another origin could send it.
    let (status, _) = read(dashboard.get("/dashboard").bearer_auth(SECRETS[3])).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_action_is_for_whom_the_table_says() {
    let dashboard = serve_on(bus_with_queue().await, TOKENS).await;
    for (path, first) in ACTIONS {
        for cookie in ["", "bloodbank-session=6e.1.2.3"] {
            let answer =
                dashboard.post(path, &[("csrf", "x")]).header("cookie", cookie).send().await.expect("an answer");
            assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path} {cookie:?}");
            assert_eq!(header(&answer, "location"), "/dashboard/sign-in?next=%2Fdashboard", "{path}");
        }
        for (number, secret) in SECRETS.into_iter().enumerate() {
            let cookie = dashboard.sign_in(secret).await;
            let (_, page) = read(dashboard.get("/dashboard").header("cookie", &cookie)).await;
            let send =
                async |token: &str| read(dashboard.post(path, &[("csrf", token)]).header("cookie", &cookie)).await.0;
            assert_eq!(send("forged").await, StatusCode::FORBIDDEN, "{path} with {secret}");
            let is_refused = send(csrf(&page)).await == StatusCode::FORBIDDEN;
            assert_eq!(is_refused, number < first, "{path} with {secret}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_may_not_do_is_not_shown() {
    let dashboard = serve_on(bus_with_queue().await, TOKENS).await;
    for (secret, sees_letters) in [("may-read-llm-events-only", false), ("may-read-every-event", true)] {
        let cookie = dashboard.sign_in(secret).await;
        let (_, page) = read(dashboard.get("/dashboard").header("cookie", &cookie)).await;
        assert_eq!(page.contains("href=\"/dashboard/dead-letters\""), sees_letters, "{secret}");
    }
}

/// A bus with the queue of a subscriber.
async fn bus_with_queue() -> Bus {
    let bus = Bus::embedded();
    let queues = ["shop.ship", "shop.ship.dlq"].map(|name| Queue::new(name, QueueKind::Classic));
    bus.transport().declare(Topology::default().queues(queues)).await.expect("declared");
    bus
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_there_is_nobody_to_sign_in() {
    let dashboard = serve_on(bus_with_queue().await, "").await;
    for (path, _) in PAGES.into_iter().filter(|(path, _)| *path != "/dashboard/live/events") {
        let (status, text) = dashboard.page(path).await;
        assert_eq!(status, answer_of(path), "{path}");
        assert!(!text.contains("Sign out"), "{path}");
    }
    let answer = dashboard.get("/dashboard/sign-in").send().await.expect("an answer");
    assert_eq!((answer.status(), &*header(&answer, "location")), (StatusCode::SEE_OTHER, "/dashboard"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_comes_where_they_wanted_and_nowhere_else() {
    let dashboard = serve(TOKENS).await;
    let enter = async |next: &str| {
        let fields = [("token", "may-do-everything-here"), ("next", next)];
        let answer = dashboard.post("/dashboard/sign-in", &fields).send().await.expect("an answer");
        (header(&answer, "location"), header(&answer, "set-cookie"))
    };
    for here in ["/docs", "/asyncapi", "/dashboard/live?pattern=a"] {
        assert_eq!(enter(here).await.0, here);
    }
    let (place, cookie) = enter("/dashboard/events").await;
    assert_eq!(place, "/dashboard/events");
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
    for elsewhere in
        ["https://evil.example/dashboard", "//evil.example", "/dashboards", "/\\evil.example", "", "/mcp", "/docs/x"]
    {
        assert_eq!(enter(elsewhere).await.0, "/dashboard", "{elsewhere}");
    }
    let (status, text) = read(dashboard.post("/dashboard/sign-in", &[("token", "<b>wrong-token</b>")])).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(text.contains("The gateway has no such token") && !text.contains("wrong-token"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_page_does_nothing() {
    let dashboard = serve(TOKENS).await;
    let cookie = dashboard.sign_in("may-do-everything-here").await;
    let (_, page) = read(dashboard.get("/dashboard").header("cookie", &cookie)).await;
    let other = dashboard.sign_in("may-do-everything-here").await;
    let (_, page_of_other) = read(dashboard.get("/dashboard").header("cookie", &other)).await;
    let leave = async |fields: &[(&str, &str)], cookie: Option<&str>| {
        let request = dashboard.post("/dashboard/sign-out", fields);
        let request = cookie.into_iter().fold(request, |request, cookie| request.header("cookie", cookie));
        request.send().await.expect("an answer")
    };
    for fields in [&[][..], &[("csrf", "")], &[("csrf", csrf(&page_of_other))]] {
        assert_eq!(leave(fields, Some(&cookie)).await.status(), StatusCode::FORBIDDEN, "{fields:?}");
    }
    let unknown = leave(&[("csrf", csrf(&page))], None).await;
    assert!(header(&unknown, "location").starts_with("/dashboard/sign-in"));
    let left = leave(&[("csrf", csrf(&page))], Some(&cookie)).await;
    assert_eq!(left.status(), StatusCode::SEE_OTHER);
    assert!(header(&left, "set-cookie").contains("Max-Age=0"));

    let foreign = dashboard.post("/dashboard/sign-in", &[("token", "may-do-everything-here")]);
    let (status, _) = read(foreign.header("origin", "https://evil.example")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_not_guessed() {
    let dashboard = serve(TOKENS).await;
    let attempt = async |secret: &str| read(dashboard.post("/dashboard/sign-in", &[("token", secret)])).await.0;
    for number in 0..20 {
        assert_eq!(attempt(&format!("a-wrong-token-{number}")).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(attempt("may-do-everything-here").await, StatusCode::TOO_MANY_REQUESTS);
}
