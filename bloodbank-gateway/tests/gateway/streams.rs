//! Live events, and the state of commands.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bloodbank_amqp::{JournalRetention, JournalSwitch};
use bloodbank_core::{App, Bus, CommandManager, Settings};
use bloodbank_domains::agents::{AgentFailure, AgentProvider, Agents, Answer, Echo, Question};
use bloodbank_gateway::{Limits, Tokens};
use bloodbank_webhooks::FirefliesApi;
use futures_util::{
    StreamExt,
    future::{BoxFuture, join_all},
};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{sync::Notify, time::timeout};
use uuid::Uuid;

use crate::support::{PROMPT, Served, buses, json_of, rabbit, serve_with};

/// An open stream of server-sent events.
pub(crate) struct Events {
    pub(crate) response: Response,
    buffer: String,
}

pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

impl Events {
    pub(crate) async fn open(gateway: &Served, path: &str, last: Option<&str>) -> Self {
        let mut request = gateway.get(path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Self::of(request).await
    }

    /// The stream that answers a request.
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        let mut events = Self { response, buffer: String::new() };
        assert_eq!(events.block().await.expect("a first block"), ": subscribed");
        events
    }

    /// The text before the next empty line; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let block = self.buffer[..end].to_owned();
                self.buffer.drain(..end + 2);
                return Some(block);
            }
            let chunk = timeout(TIMEOUT, self.response.chunk()).await.expect("in time").expect("unbroken")?;
            self.buffer.push_str(std::str::from_utf8(&chunk).expect("text"));
        }
    }

    /// The id, the key and the data of the next event.
    pub(crate) async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let line = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                line.unwrap_or_default().to_owned()
            };
            if block.contains("data: ") {
                let data: Value = serde_json::from_str(&field("data")).expect("JSON");
                let key = data["event_type"].as_str().or(data["type"].as_str()).expect("a key").to_owned();
                return Some((field("id"), key, data));
            }
        }
    }
}

pub(crate) async fn publish(gateway: &Served, path: &str, payload: &Value) -> String {
    let (status, body) = json_of(gateway.post(path).json(payload)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    body["event_id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_the_events_that_match() {
    for bus in buses().await {
        let gateway = serve_with(bus, |builder| builder).await;
        let mut llm = Events::open(&gateway, "/events/stream?pattern=llm.*", None).await;
        let mut both = Events::open(&gateway, "/events/stream?pattern=llm.*&pattern=artifact.%23", None).await;
        let mut cloud = Events::open(&gateway, "/events/stream?format=cloudevents", None).await;
        let artifact = json!({ "kind": "file", "uri": "file:///a" });
        let first = publish(&gateway, "/events/artifact/created", &artifact).await;
        let second = publish(&gateway, &format!("/events/llm/prompt?correlation_ids={first}"), &PROMPT).await;
        let (id, key, data) = llm.next().await.unwrap();
        assert_eq!((&id, key.as_str(), &data["payload"]["prompt"]), (&second, "llm.prompt", &json!("why?")));
        assert_eq!([both.next().await.unwrap().0, both.next().await.unwrap().0], [first.clone(), second.clone()]);
        cloud.next().await.unwrap();
        let (_, _, event) = cloud.next().await.unwrap();
        assert_eq!(
            (&event["id"], &event["type"], &event["specversion"], &event["correlationids"]),
            (&json!(second), &json!("llm.prompt"), &json!("1.0"), &json!(first))
        );
        for path in ["/events/stream?pattern=a..b", "/events/stream?format=xml"] {
            assert_eq!(json_of(gateway.get(path)).await.0, StatusCode::BAD_REQUEST);
        }
        // The end of the gateway is the end of the stream.
        gateway.stop().await;
        assert!(llm.next().await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_on_rabbitmq_resumes_a_stream_at_another_gateway() {
    let first_bus = rabbit().await;
    let settings = first_bus.settings().clone();
    let switch = JournalSwitch::connect(&settings).await.unwrap();
    let retention = JournalRetention::new(Duration::from_secs(3600), 100_000_000);
    switch.enable(retention, Duration::ZERO).await.unwrap();
    let gateway = serve_with(Bus::connect(settings.clone()).await.unwrap(), |builder| builder).await;
    let first = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
    let missed = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
    gateway.stop().await;
    let other = serve_with(Bus::connect(settings).await.unwrap(), |builder| builder).await;
    let mut resumed = Events::open(&other, "/events/stream", Some(&first)).await;
    assert_eq!(resumed.response.headers()["bloodbank-resumed"], "true");
    let mut since = Events::open(&other, "/events/stream?since=2020-01-01T00:00:00Z", None).await;
    let live = publish(&other, "/events/llm/prompt", &PROMPT).await;
    for expected in [&missed, &live] {
        assert_eq!(resumed.next().await.unwrap().0, *expected);
    }
    for expected in [&first, &missed, &live] {
        assert_eq!(since.next().await.unwrap().0, *expected);
    }
    let (_, page) = json_of(other.get("/history?limit=2")).await;
    assert_eq!(page["entries"][0]["body"]["event_id"], missed);
    switch.disable(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_resumed_where_it_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let vars = [("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db").to_str().unwrap().to_owned())];
    let bus = Bus::connect(Settings::from_vars(vars).unwrap()).await.unwrap();
    let gateway = serve_with(bus, |builder| builder).await;
    let artifact = json!({ "kind": "file", "uri": "file:///a" });
    let first = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
    let missed = [publish(&gateway, "/events/llm/prompt", &PROMPT).await, {
        publish(&gateway, "/events/artifact/created", &artifact).await;
        publish(&gateway, "/events/llm/prompt", &PROMPT).await
    }];
    let mut stream = Events::open(&gateway, "/events/stream?pattern=llm.%23", Some(&first)).await;
    let live = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
    assert_eq!(stream.response.headers()["bloodbank-resumed"], "true");
    for expected in [&missed[0], &missed[1], &live] {
        assert_eq!(stream.next().await.unwrap().0, *expected);
    }
    let response = gateway.get("/events/stream").header("last-event-id", "7");
    assert_eq!(json_of(response).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn browsers_and_proxies_understand_a_stream() {
    let gateway = serve_with(Bus::embedded(), |builder| builder).await;
    let mut plain = Events::open(&gateway, "/events/stream", None).await;
    let mut named = Events::open(&gateway, "/events/stream?named=true", None).await;
    assert_eq!(plain.response.headers()["x-accel-buffering"], "no");
    publish(&gateway, "/events/llm/prompt", &PROMPT).await;
    let block = plain.block().await.unwrap();
    assert!(block.contains("data: ") && !block.contains("event: "), "`onmessage` sees it: {block}");
    let block = named.block().await.unwrap();
    assert!(block.contains("event: llm.prompt\n"), "{block}");
    let wrong = json_of(gateway.get("/events/stream?named=perhaps")).await;
    assert_eq!(wrong.0, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_the_past_has_no_end_in_the_middle() {
    let folder = tempfile::tempdir().unwrap();
    let vars = [("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db").to_str().unwrap().to_owned())];
    let bus = Bus::connect(Settings::from_vars(vars).unwrap()).await.unwrap();
    let gateway = serve_with(bus, |builder| builder).await;
    let event = json!({ "event_type": "llm.prompt", "payload": *PROMPT }).to_string();
    let first = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
    let count = 10_050;
    for batch in [9_000, count - 9_001] {
        let request = gateway.post("/events/batch").header("content-type", "application/jsonl");
        let results = request.body(format!("{event}\n").repeat(batch)).send().await.unwrap().text().await.unwrap();
        assert!(results.lines().all(|result| result.contains("\"status\":202")));
    }
    // More events than a page, and those that are published meanwhile.
    let mut stream = Events::open(&gateway, "/events/stream?since=2025-01-01T00:00:00Z", None).await;
    let last = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
    let mut ids = HashSet::new();
    loop {
        let (id, ..) = stream.next().await.unwrap();
        assert!(!ids.is_empty() || id == first, "it begins with the oldest");
        assert!(ids.insert(id.clone()), "{id} came twice");
        if id == last {
            break;
        }
    }
    assert_eq!(ids.len(), count + 1);
    // As far back a client can resume.
    let mut resumed = Events::open(&gateway, "/events/stream", Some(&first)).await;
    assert_eq!(resumed.response.headers()["bloodbank-resumed"], "true");
    let mut left = count;
    while resumed.next().await.unwrap().0 != last {
        left -= 1;
    }
    assert_eq!(left, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_can_be_read_where_the_bus_remembers_it() {
    let folder = tempfile::tempdir().unwrap();
    let vars = [("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db").to_str().unwrap().to_owned())];
    let bus = Bus::connect(Settings::from_vars(vars).unwrap()).await.unwrap();
    let tokens = r##"token = [
        { name = "all", secret = "publisher-of-everything", read = ["#"], publish = ["#"] },
        { name = "artifacts", secret = "reader-of-artifacts", read = ["artifact.#"] },
    ]"##;
    let gateway = serve_with(bus, |builder| builder.tokens(Tokens::from_toml(tokens).unwrap())).await;
    let request = gateway.post("/events/llm/prompt").bearer_auth("publisher-of-everything").json(&*PROMPT);
    let (_, published) = json_of(request).await;
    let path = format!("/events/{}", published["event_id"].as_str().unwrap());
    let read = async |path: &str, secret: &str| json_of(gateway.get(path).bearer_auth(secret)).await;
    assert_eq!(read(&path, "publisher-of-everything").await, (StatusCode::OK, published));
    assert_eq!(read(&path, "reader-of-artifacts").await.0, StatusCode::NOT_FOUND, "it may not know of it");
    let unknown = format!("/events/{}", Uuid::new_v4());
    assert_eq!(read(&unknown, "publisher-of-everything").await.0, StatusCode::NOT_FOUND);
    for path in ["/events/llm/prompt", "/events/7"] {
        assert_eq!(read(path, "publisher-of-everything").await.0, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    let memory = serve_with(Bus::embedded(), |builder| builder).await;
    let (status, problem) = json_of(memory.get(&unknown)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(problem["detail"].as_str().unwrap().contains("keeps no journal"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_in_the_past_where_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let vars = [("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db").to_str().unwrap().to_owned())];
    let bus = Bus::connect(Settings::from_vars(vars).unwrap()).await.unwrap();
    let gateway = serve_with(bus, |builder| builder).await;
    let before = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
    let mut stream = Events::open(&gateway, "/events/stream?pattern=llm.%23&since=2025-01-01T00:00:00Z", None).await;
    let mut later = Events::open(&gateway, "/events/stream?since=2999-01-01T00:00:00Z", None).await;
    let after = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
    assert_eq!(stream.next().await.unwrap().0, before);
    assert_eq!(stream.next().await.unwrap().0, after);
    assert_eq!(later.next().await.unwrap().0, after, "what is live comes in any case");
    assert_eq!(json_of(gateway.get("/events/stream?since=yesterday")).await.0, StatusCode::BAD_REQUEST);

    for bus in buses().await {
        let gateway = serve_with(bus, |builder| builder).await;
        let (status, problem) = json_of(gateway.get("/events/stream?since=2025-01-01T00:00:00Z")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(problem["detail"].as_str().unwrap().contains("keeps no history"), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_away_for_a_moment_misses_nothing() {
    for bus in buses().await {
        let limits = Limits::default().recent_events(4);
        let gateway = serve_with(bus, |builder| builder.limits(limits)).await;
        let mut stream = Events::open(&gateway, "/events/stream?pattern=llm.*", None).await;
        assert!(stream.response.headers().get("bloodbank-resumed").is_none(), "nothing was to be resumed");
        let first = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
        assert_eq!(stream.next().await.unwrap().0, first);
        drop(stream);
        let missed = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
        publish(&gateway, "/events/artifact/created", &json!({ "kind": "file", "uri": "file:///a" })).await;
        // A publish is confirmed before the gateway has seen it: a stream that has it says when.
        let mut witness = Events::open(&gateway, "/events/stream", Some(&first)).await;
        for _ in 0..2 {
            witness.next().await.unwrap();
        }
        let mut stream = Events::open(&gateway, "/events/stream?pattern=llm.*", Some(&first)).await;
        assert_eq!(stream.response.headers()["bloodbank-resumed"], "true");
        let live = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
        assert_eq!([stream.next().await.unwrap().0, stream.next().await.unwrap().0], [missed, live.clone()]);

        // The first is the fifth of the last four.
        let last = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
        assert_eq!(stream.next().await.unwrap().0, last);
        let mut late = Events::open(&gateway, "/events/stream?pattern=llm.*", Some(&first)).await;
        assert_eq!(late.response.headers()["bloodbank-resumed"], "false");
        let live = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
        assert_eq!(late.next().await.unwrap().0, live, "what follows it gets all the same");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_only_what_its_token_may_read() {
    let tokens = r##"token = [
        { name = "a", secret = "reader-of-llm-events", read = ["llm.*"] },
        { name = "b", secret = "publisher-of-everything", publish = ["#"] },
    ]"##;
    let gateway = serve_with(Bus::embedded(), |builder| builder.tokens(Tokens::from_toml(tokens).unwrap())).await;
    let open = |path: &str, secret: &str| gateway.get(path).bearer_auth(secret);
    let forbidden = "/events/stream?pattern=artifact.%23";
    assert_eq!(json_of(open(forbidden, "reader-of-llm-events")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(json_of(open("/events/stream", "publisher-of-everything")).await.0, StatusCode::FORBIDDEN);
    let response = open("/events/stream", "reader-of-llm-events").send().await.unwrap();
    let mut stream = Events { response, buffer: String::new() };
    assert_eq!(stream.block().await.unwrap(), ": subscribed");
    let publish = |path: &str, payload: &Value| {
        let request = gateway.post(path).bearer_auth("publisher-of-everything").json(payload);
        async { assert_eq!(json_of(request).await.0, StatusCode::ACCEPTED) }
    };
    publish("/events/artifact/created", &json!({ "kind": "file", "uri": "file:///a" })).await;
    publish("/events/llm/prompt", &PROMPT).await;
    assert_eq!(stream.next().await.unwrap().1, "llm.prompt", "the artifact is not for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_cut_off_and_stops_nobody() {
    let gateway = serve_with(Bus::embedded(), |builder| builder).await;
    let mut lazy = Events::open(&gateway, "/events/stream", None).await;
    let mut eager = Events::open(&gateway, "/events/stream", None).await;
    // More than the gateway and the sockets between them hold.
    let (events, bytes) = (120, 500_000);
    let long = json!({ "provider": "x", "prompt": "y".repeat(bytes) });
    for _ in 0..events {
        publish(&gateway, "/events/llm/prompt", &long).await;
        assert!(eager.next().await.is_some());
    }
    let mut read = 0;
    while let Some((_, key, _)) = lazy.next().await {
        assert_eq!(key, "llm.prompt");
        read += 1;
    }
    assert!(read < events, "it was cut off after {read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_streams_get_every_event_and_the_next_is_shed() {
    const STREAMS: usize = 1000;
    for bus in buses().await {
        let limits = Limits::default().streams(STREAMS);
        let gateway = Arc::new(serve_with(bus, |builder| builder.limits(limits)).await);
        let opened = futures_util::stream::iter(0..STREAMS).map(|number| {
            let gateway = Arc::clone(&gateway);
            let pattern = if number % 2 == 0 { "llm.*" } else { "artifact.*" };
            async move { Events::open(&gateway, &format!("/events/stream?pattern={pattern}"), None).await }
        });
        let streams: Vec<Events> = opened.buffered(50).collect().await;
        let response = gateway.get("/events/stream").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], "1");
        let artifact = json!({ "kind": "file", "uri": "file:///a" });
        for _ in 0..3 {
            publish(&gateway, "/events/artifact/created", &artifact).await;
            publish(&gateway, "/events/llm/prompt", &PROMPT).await;
        }
        let read = streams.into_iter().enumerate().map(|(number, mut stream)| async move {
            for _ in 0..3 {
                let (_, key, _) = stream.next().await.expect("an event");
                assert_eq!(key, if number % 2 == 0 { "llm.prompt" } else { "artifact.created" });
            }
        });
        join_all(read).await;
    }
}

async fn state_of(gateway: &Served, id: &str, wanted: &str) -> Value {
    let deadline = tokio::time::Instant::now() + TIMEOUT;
    loop {
        let (status, state) = json_of(gateway.get(&format!("/commands/{id}"))).await;
        assert_eq!(status, StatusCode::OK, "{state}");
        if state["status"] == wanted {
            return state;
        }
        assert!(tokio::time::Instant::now() < deadline, "{state}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_accepted_and_then_answered() {
    for bus in buses().await {
        let gateway = serve_with(bus.clone(), |builder| builder).await;
        let executor = |bus: &Bus| {
            App::new("agents", bus.clone())
                .state(Agents::new(Echo))
                .state(FirefliesApi::default())
                .commands(CommandManager::linked())
        };
        // Its queue outlives it.
        executor(&bus).start().await.unwrap().shutdown().await.unwrap();
        let id = publish(&gateway, "/events/agent/thread/prompt", &PROMPT).await;
        let state = state_of(&gateway, &id, "accepted").await;
        assert_eq!((&state["reply"], &state["event_type"]), (&Value::Null, &json!("agent.thread.prompt")));
        let app = executor(&bus).start().await.unwrap();
        let state = state_of(&gateway, &id, "succeeded").await;
        assert_eq!(state["reply"]["event_type"], "agent.thread.response");
        assert_eq!(state["reply"]["correlation_ids"], json!([id]));

        // Another gateway knows it from the index.
        let other = serve_with(bus.clone(), |builder| builder).await;
        assert_eq!(json_of(other.get(&format!("/commands/{id}"))).await.1["status"], "succeeded");
        let fact = publish(&gateway, "/events/llm/prompt", &PROMPT).await;
        assert_eq!(json_of(gateway.get(&format!("/commands/{fact}"))).await.0, StatusCode::NOT_FOUND);
        app.shutdown().await.unwrap();
    }
}

/// An agent that takes as long as the test wants, and then says no.
pub(crate) struct Patient(pub(crate) Arc<Notify>);

impl AgentProvider for Patient {
    fn name(&self) -> &'static str {
        "patient"
    }

    fn ask<'a>(&'a self, _question: Question<'a>) -> BoxFuture<'a, Result<Answer, AgentFailure>> {
        Box::pin(async {
            self.0.notified().await;
            Err(AgentFailure::permanent("NO", "it says no"))
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_and_then_fails() {
    for bus in buses().await {
        let go = Arc::new(Notify::new());
        let gateway = serve_with(bus.clone(), |builder| builder).await;
        let agents = App::new("agents", bus)
            .state(Agents::new(Patient(Arc::clone(&go))))
            .state(FirefliesApi::default())
            .commands(CommandManager::linked());
        let app = agents.layer(gateway.gateway.watch_commands()).start().await.unwrap();
        let id = publish(&gateway, "/events/agent/thread/prompt", &PROMPT).await;
        state_of(&gateway, &id, "running").await;
        go.notify_one();
        let state = state_of(&gateway, &id, "failed").await;
        assert_eq!(state["failure"]["payload"]["error_message"], "it says no");
        assert_eq!((&state["failures"], &state["reply"]), (&json!(1), &Value::Null));
        app.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_answer_ends_a_command() {
    for bus in buses().await {
        let gateway = serve_with(bus, |builder| builder).await;
        let failure = json!({ "error_message": "no", "error_code": null, "is_retryable": false, "retry_count": 0 });
        let publish_child = async |key: &str, payload: &Value, parent: &str, id: Uuid| {
            let event = json!({ "event_id": id, "event_type": key, "payload": payload, "correlation_ids": [parent] });
            assert_eq!(json_of(gateway.post("/events/custom").json(&event)).await.0, StatusCode::ACCEPTED, "{key}");
        };
        let mut ingestion = failure.clone();
        ingestion["artifact_uri"] = "file:///a".into();
        ingestion["artifact_kind"] = "file".into();
        let mut thread = failure.clone();
        thread["provider"] = "claude".into();
        let id = publish(&gateway, "/events/agent/thread/prompt", &PROMPT).await;
        // Of somebody else who received the command: a foreign program, and a subscriber whose failures are like those of
        // the executor.
        publish_child("artifact.ingestion.failed", &ingestion, &id, Uuid::new_v4()).await;
        publish_child("agent.thread.error", &thread, &id, Uuid::new_v5(&Uuid::nil(), b"subscriber")).await;
        // Events of one publisher come in their order: what follows is seen after the others.
        let other = publish(&gateway, "/events/agent/thread/prompt", &PROMPT).await;
        publish_child("agent.thread.error", &thread, &other, Uuid::new_v4()).await;
        let state = state_of(&gateway, &other, "failed").await;
        assert_eq!(state["failure"]["event_type"], "agent.thread.error", "an executor in Python");
        let state = state_of(&gateway, &id, "accepted").await;
        assert_eq!((&state["failures"], &state["failure"]), (&json!(0), &Value::Null), "{state}");
        let answer = json!({ "provider": "claude", "response": "because" });
        publish_child("agent.thread.response", &answer, &id, Uuid::new_v4()).await;
        assert_eq!(state_of(&gateway, &id, "succeeded").await["reply"]["payload"]["response"], "because");

        // From the index it is the same.
        let fresh = serve_with(gateway.bus.clone(), |builder| builder).await;
        let (_, state) = json_of(fresh.get(&format!("/commands/{id}"))).await;
        assert_eq!((&state["status"], &state["failures"]), (&json!("succeeded"), &json!(0)), "{state}");
    }
}

#[tokio::test]
async fn metrics_count_what_happens() {
    let gateway = serve_with(Bus::embedded(), |builder| builder).await;
    publish(&gateway, "/events/llm/prompt", &PROMPT).await;
    assert_eq!(gateway.get("/events/llm/nothing/here").send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    let text = gateway.get("/metrics").send().await.unwrap().text().await.unwrap();
    for line in [
        "bloodbank_published_total{event_type=\"llm.prompt\",outcome=\"unrouted\"} 1",
        "bloodbank_in_flight 0",
        "bloodbank_confirm_seconds_count 1",
        "bloodbank_http_requests_total{route=\"/events/{*key}\",status=\"202\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    // The page lists them, and each has its help text.
    let page = include_str!("../../../docs/src/metrics.md");
    let shown: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert!(shown.len() > 4, "{text}");
    for (name, kind) in shown {
        assert!(
            page.contains(&format!("| `{name}` | {kind} |")),
            "docs/src/metrics.md does not list the {kind} `{name}`"
        );
        assert!(text.contains(&format!("# HELP {name} ")), "`{name}` has no help text");
    }
}
