//! Requests that are refused, and requests that only read.

use axum::extract::State;
use bloodbank_core::{App, Bus, Registry};
use bloodbank_gateway::{Access, Endpoint, Gateway, Limits, Operation, Tokens};
use bloodbank_webhooks::Webhooks;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{PROMPT, buses, json_of, serve, serve_with};

#[tokio::test(flavor = "multi_thread")]
async fn health_and_readiness_tell_what_works() {
    for bus in buses().await {
        let gateway = serve_with(bus.clone(), |builder| {
            builder.workers({
                let bus = bus.clone();
                move || bus.health()
            })
        })
        .await;
        let (status, body) = json_of(gateway.get("/healthz")).await;
        assert_eq!(status, StatusCode::OK);
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(body, json!({ "status": "healthy", "ok": true, "service": "bloodbank", "version": version }));
        let (status, body) = json_of(gateway.get("/readyz")).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(
            (&body["bus"]["status"], &body["correlation"]["status"], &body["workers"]["status"]),
            (&json!("ok"), &json!("ok"), &json!("ok"))
        );
        bus.close().await;
        let response = gateway.get("/readyz").send().await.unwrap();
        if bus.transport().system() == "rabbitmq" {
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.json::<Value>().await.unwrap()["bus"]["status"], "away");
        }
    }
    // Its app was dropped, and handles nothing any more.
    let bus = Bus::embedded();
    let probe = App::new("ended", bus.clone()).start().await.unwrap().probe();
    let gateway = serve_with(bus, |builder| builder.workers(move || probe.health())).await;
    assert_eq!(gateway.get("/readyz").send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn what_is_no_event_has_no_path() {
    let gateway = serve().await;
    for path in [
        "/events/llm.prompt",
        "/events/llm",
        "/events/llm/prompt/",
        "/events//llm/prompt",
        "/events/llm/%2e%2e/prompt",
        "/events/llm%2Fprompt",
        "/events/LLM/prompt",
        "/events/artifact/%7Baction%7D",
        "/events/artifact/{action}",
        "/events/llm/promt",
        "/schemas/..%2F..%2FCargo.toml",
        "/nothing",
    ] {
        let (status, problem) = json_of(gateway.post(path).json(&*PROMPT)).await;
        assert!(matches!(status.as_u16(), 404 | 405), "{path}: {problem}");
    }
    let (_, problem) = json_of(gateway.post("/events/llm/promt").json(&*PROMPT)).await;
    assert!(problem["detail"].as_str().unwrap().contains("did you mean `llm.prompt`?"), "{problem}");
    let (_, problem) = json_of(gateway.post("/events/something/else/entirely").json(&*PROMPT)).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.ends_with("; `GET /registry/events` lists the registered events"),
        "the remedy is one of a client: {problem}"
    );
    for path in ["/schemas/..%2F..%2FCargo.toml.json", "/schemas/llm.prompt", "/registry/events/%FF", "/schemas/.json"]
    {
        let (status, _) = json_of(gateway.get(path)).await;
        assert!(matches!(status.as_u16(), 400 | 404), "{path}");
    }
    let (status, problem) = json_of(gateway.get("/events/llm/prompt")).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        problem["detail"],
        "an event is published here with POST; one that was published is at `GET /events/{event_id}`"
    );
    let (_, problem) = json_of(gateway.post("/nothing")).await;
    assert_eq!(
        (&problem["title"], &problem["detail"]),
        (
            &json!("Not found"),
            &json!(
                "there is no endpoint `POST /nothing`; `GET /openapi.json` lists all endpoints, and `/docs` shows them as a page"
            )
        )
    );
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_refused() {
    let limits = Limits::default().body_bytes(4096).batch_events(3).batch_bytes(8192);
    let gateway = serve_with(Bus::embedded(), |builder| builder.limits(limits)).await;
    let send = |body: Vec<u8>| {
        let request = gateway.post("/events/llm/prompt").header("content-type", "application/json").body(body);
        async { json_of(request).await }
    };
    for body in [&b""[..], b"{", br#"{"a":"\ud800"}"#, br#"{"a":1e999}"#, &[0xff, 0xfe], b"NaN"] {
        assert_eq!(send(body.to_vec()).await.0, StatusCode::BAD_REQUEST, "{body:?}");
    }
    let (status, problem) = send("[".repeat(2000).into_bytes()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("64 levels"), "{problem}");
    assert_eq!(send(vec![b' '; 5000]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = json_of(gateway.post("/events/llm/prompt").body("{}")).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "a form of another page cannot publish");
    let request = gateway.post("/events/batch").header("content-type", "application/jsonl").body("{}\n".repeat(4));
    assert_eq!(json_of(request).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_at_every_endpoint() {
    let webhooks = Webhooks::default().fireflies("a-secret-of-a-webhook").endpoints();
    let gateway = serve_with(Bus::embedded(), |builder| builder.endpoints(webhooks)).await;
    let (_, document) = json_of(gateway.get("/openapi.json")).await;
    let mut asked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let place = path.replace(['{', '}'], "");
        for method in methods.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = gateway.client.request(method, format!("{}{place}?dryrun=true", gateway.url));
            let (status, problem) = json_of(request).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{place}: {problem}");
            assert!(problem["detail"].as_str().unwrap().contains("unknown parameter `dryrun`"), "{place}: {problem}");
            asked += 1;
        }
    }
    assert!(asked > 45, "{asked}");
    let detail = async |path: &str| json_of(gateway.post(path).json(&*PROMPT)).await.1["detail"].clone();
    let near = detail("/events/llm/prompt?correlation_id=x").await;
    assert!(near.as_str().unwrap().ends_with("did you mean `correlation_ids`?"), "{near}");
    let far = detail("/dead-letters/shop.ship/discard?typ=x&dry_run=true").await;
    assert!(far.as_str().unwrap().contains("unknown parameter `typ`; did you mean `type`?"), "{far}");
    let long = detail(&format!("/events/llm/prompt?{}", "x".repeat(4000))).await;
    assert!(long.as_str().unwrap().len() < 200, "{long}");
    assert_eq!(json_of(gateway.get("/nowhere?x=y")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_registry_can_be_read() {
    let gateway = serve().await;
    let (_, domains) = json_of(gateway.get("/registry/domains")).await;
    assert_eq!(domains["domains"].as_array().unwrap().len(), Registry::global().domains().count());
    let (_, events) = json_of(gateway.get("/registry/events")).await;
    assert_eq!(events["events"].as_array().unwrap().len(), Registry::global().events().len());
    let (_, event) = json_of(gateway.get("/registry/events/artifact.created")).await;
    assert_eq!(event["key"], "artifact.{action}");
    let response = gateway.get("/schemas/llm.prompt.json").send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "application/schema+json");
    let schema: Value = response.json().await.unwrap();
    assert_eq!(schema["title"], "LlmPrompt");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_caused_what_can_be_asked() {
    for bus in buses().await {
        let gateway = serve_with(bus, |builder| builder).await;
        let publish = |path: String| {
            let request = gateway.post(&path).json(&*PROMPT);
            async { json_of(request).await.1["event_id"].as_str().unwrap().to_owned() }
        };
        let first = publish("/events/llm/prompt".to_owned()).await;
        let second = publish(format!("/events/llm/prompt?correlation_ids={first}")).await;
        let (status, dump) = json_of(gateway.get(&format!("/debug/correlation/{second}"))).await;
        assert_eq!(status, StatusCode::OK, "{dump}");
        assert_eq!(dump["parents"], json!([first]));
        assert_eq!(dump["metadata"]["event_type"], "llm.prompt");
        assert_eq!(dump, json_of(gateway.get(&format!("/debug/correlation/{second}/dump"))).await.1);
        let (_, chain) = json_of(gateway.get(&format!("/debug/correlation/{second}/chain"))).await;
        assert_eq!((&chain["chain"], &chain["direction"]), (&json!([first, second]), &json!("ancestors")));
        // That nothing caused it is known, too.
        let (_, chain) = json_of(gateway.get(&format!("/debug/correlation/{first}/chain"))).await;
        assert_eq!((&chain["chain"], &chain["count"]), (&json!([first]), &json!(1)));
        let path = format!("/debug/correlation/{first}/chain?direction=descendants");
        let (_, chain) = json_of(gateway.get(&path)).await;
        assert_eq!(chain["chain"], json!([second, first]), "each event after those that were reached through it");
        let (_, chain) = json_of(gateway.get(&format!("{path}&order=causes_first&max_depth=1"))).await;
        assert_eq!((&chain["chain"], &chain["count"]), (&json!([first, second]), &json!(2)));
        let (_, chain) = json_of(gateway.get(&format!("{path}&max_depth=1"))).await;
        assert_eq!((&chain["chain"], &chain["truncated"]), (&json!([first]), &json!(true)));
        for (order, expected) in [("", [&second, &first]), ("?order=causes_first", [&first, &second])] {
            let (_, dump) = json_of(gateway.get(&format!("/debug/correlation/{first}{order}"))).await;
            assert_eq!(dump["descendants"], json!(expected), "{order}");
        }
        let (_, graph) = json_of(gateway.get(&format!("/debug/correlation/{first}/graph"))).await;
        assert_eq!(graph["events"].as_array().unwrap().len(), 2);
        for (format, begin) in [("mermaid", "flowchart"), ("dot", "digraph")] {
            let path = format!("/debug/correlation/{first}/graph?format={format}");
            assert!(gateway.get(&path).send().await.unwrap().text().await.unwrap().starts_with(begin));
        }
        for (path, expected) in [
            (format!("/debug/correlation/{}", Uuid::new_v4()), 404),
            (format!("/debug/correlation/{}/graph", Uuid::new_v4()), 404),
            ("/debug/correlation/7".to_owned(), 400),
            (format!("/debug/correlation/{first}/chain?direction=sideways"), 400),
            (format!("/debug/correlation/{first}/chain?max_depth=0"), 400),
            (format!("/debug/correlation/{first}/chain?order=newest_first"), 400),
            (format!("/debug/correlation/{first}/graph?format=gif"), 400),
        ] {
            assert_eq!(json_of(gateway.get(&path)).await.0.as_u16(), expected, "{path}");
        }
    }
}

/// The addresses that a gateway gives: of a command, of its server, and its page.
async fn places(client: &reqwest::Client, url: &str) -> (String, Value, String) {
    let command =
        client.post(format!("{url}/events/agent/thread/prompt")).json(&*PROMPT).send().await.expect("an answer");
    assert_eq!(command.status(), StatusCode::ACCEPTED);
    let location = command.headers()["location"].to_str().expect("ASCII").to_owned();
    let (_, openapi) = json_of(client.get(format!("{url}/openapi.json"))).await;
    let page = client.get(format!("{url}/docs")).send().await.expect("an answer").text().await.expect("a page");
    (location, openapi["servers"][0]["url"].clone(), page)
}

#[tokio::test]
async fn what_leads_to_the_gateway_leads_there_wherever_it_is() {
    let gateway = serve().await;
    let (location, server, page) = places(&gateway.client, &gateway.url).await;
    assert!(location.starts_with("/commands/"), "{location}");
    assert_eq!(server, "/");
    assert!(page.contains("<code>/events/custom</code>"));

    // In an application of somebody else.
    let nested = axum::Router::new().nest("/its/bus", bloodbank_gateway::router(gateway.gateway.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, nested).await.unwrap() });
    let (location, server, page) = places(&gateway.client, &format!("{root}/its/bus")).await;
    assert!(location.starts_with("/its/bus/commands/"), "{location}");
    assert_eq!(server, "/its/bus");
    assert!(page.contains("<code>/its/bus/events/custom</code>"));
    let (status, state) = json_of(gateway.client.get(format!("{root}{location}"))).await;
    assert_eq!((status, &state["event_type"]), (StatusCode::OK, &json!("agent.thread.prompt")));
    let missing = gateway.client.get(format!("{root}/its/bus/nothing"));
    let (status, problem) = json_of(missing).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("there is no endpoint `GET /its/bus/nothing`")
            && detail.contains("`GET /its/bus/openapi.json`"),
        "{detail}"
    );
    serving.abort();

    // Behind a proxy that takes the path away.
    let proxied = serve_with(Bus::embedded(), |builder| builder.public_url("https://example.org/bus/")).await;
    let (location, server, page) = places(&proxied.client, &proxied.url).await;
    assert!(location.starts_with("https://example.org/bus/commands/"), "{location}");
    assert_eq!(server, "https://example.org/bus");
    assert!(page.contains("https://example.org/bus/events/custom"));
}

#[tokio::test]
async fn an_endpoint_that_panics_is_a_problem_and_no_more() {
    async fn broken() -> &'static str {
        panic!("something internal")
    }
    let operation = Operation::new("broken", "Panics");
    let endpoint = Endpoint::get("/broken", Access::Public, broken, operation);
    let gateway = serve_with(Bus::embedded(), |builder| builder.endpoints([endpoint])).await;
    for _ in 0..3 {
        let (status, problem) = json_of(gateway.get("/broken")).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.to_string().contains("something internal"), "{problem}");
    }
    assert_eq!(json_of(gateway.get("/healthz")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_endpoint_that_a_program_adds_is_served_guarded_and_described() {
    async fn exchange(State(gateway): State<Gateway>) -> String {
        gateway.bus().exchange().to_string()
    }
    let tokens = r##"token = [
        { name = "some", secret = "reader-of-llm-events", read = ["llm.*"] },
        { name = "all", secret = "reader-of-everything", read = ["#"] },
    ]"##;
    let operation = Operation::new("exchange", "Names the exchange").json(200, "The name.", json!({}));
    let endpoint = Endpoint::get("/exchange", Access::ReadAll, exchange, operation);
    let gateway =
        serve_with(Bus::embedded(), |builder| builder.tokens(Tokens::from_toml(tokens).unwrap()).endpoints([endpoint]))
            .await;
    let ask = |secret: &str| gateway.get("/exchange").bearer_auth(secret);
    assert_eq!(json_of(gateway.get("/exchange")).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(json_of(ask("reader-of-llm-events")).await.0, StatusCode::FORBIDDEN);
    let answer = ask("reader-of-everything").send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), &**gateway.bus.exchange());
    let (_, document) = json_of(gateway.get("/openapi.json").bearer_auth("reader-of-everything")).await;
    let described = &document["paths"]["/exchange"]["get"];
    assert_eq!(described["summary"], "Names the exchange");
    assert!(described["responses"]["401"].is_object() && described["responses"]["403"].is_object(), "{described}");
}
