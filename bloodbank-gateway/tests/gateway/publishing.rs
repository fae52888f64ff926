//! Publishing over HTTP: under the path of the event, as an envelope, in a batch, as a CloudEvent.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use bloodbank_core::{EventEnvelope, event_id::deterministic};
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    mcp::Session,
    streams::Events,
    support::{PROMPT, buses, json_of, pointers, read, serve, serve_with},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_published_under_its_path_and_the_answer_is_its_envelope() {
    for bus in buses().await {
        let gateway = serve_with(bus, |builder| builder).await;
        let parent = Uuid::new_v4();
        let request = gateway
            .post(&format!("/events/llm/prompt?correlation_ids={parent}"))
            .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let (status, body) = json_of(request.json(&*PROMPT)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        let envelope = EventEnvelope::from_json(body.clone()).expect("an envelope");
        assert_eq!(envelope.event_type, "llm.prompt");
        assert_eq!(envelope.correlation_ids, [parent]);
        assert_eq!(envelope.payload["prompt"], "why?");
        assert_eq!(envelope.payload["tags"], json!([]), "fields with a default are written");
        assert_eq!(envelope.source.host, "127.0.0.1", "as the Python side: the address of the client");
        assert_eq!(envelope.source.meta.unwrap()["via"], "http");
        let tracker = gateway.bus.correlation().unwrap();
        assert_eq!(tracker.parents(envelope.event_id).await.unwrap(), [parent]);
    }
}

#[tokio::test]
async fn a_response_is_the_effect_of_the_prompt_that_it_names_on_every_way() {
    let gateway = serve().await;
    let (prompt, said) = (Uuid::new_v4(), Uuid::new_v4());
    let payload = json!({ "provider": "anthropic", "prompt_id": prompt, "response": "because" });
    let custom = json!({ "event_type": "llm.response", "payload": payload, "correlation_ids": [said] });
    let (_, answer) = json_of(gateway.post("/events/llm/response").json(&payload)).await;
    assert_eq!(answer["correlation_ids"], json!([prompt]));
    let tracker = gateway.bus.correlation().unwrap();
    let parents = async |answer: &Value| {
        let id = answer["event_id"].as_str().unwrap_or_else(|| panic!("{answer}")).parse().unwrap();
        tracker.parents(id).await.unwrap()
    };
    assert_eq!(parents(&answer).await, [prompt]);
    let (_, answer) = json_of(gateway.post("/events/custom").json(&custom)).await;
    assert_eq!(parents(&answer).await, [said, prompt]);
    let batch = gateway.post("/events/batch").header("content-type", "application/x-ndjson");
    let (_, answer) = json_of(batch.body(custom.to_string())).await;
    assert_eq!(parents(&answer).await, [said, prompt]);
    let agent = Session::open(&gateway, None).await;
    let answer = agent.call("publish_llm_response", payload).await.unwrap();
    assert_eq!(parents(&answer).await, [prompt]);
    let foreign = json!({ "provider": "anthropic", "prompt_id": "unknown", "response": "because" });
    let (status, answer) = json_of(gateway.post("/events/llm/response").json(&foreign)).await;
    assert_eq!((status, &answer["correlation_ids"]), (StatusCode::ACCEPTED, &json!([])));
}

#[tokio::test]
async fn an_envelope_can_be_answered_as_on_the_python_side() {
    let gateway = serve().await;
    let custom = envelope("llm.prompt", &PROMPT);
    let publish = || gateway.post("/events/custom?answer=python").header("idempotency-key", "once").json(&custom);
    let (status, answer) = json_of(publish()).await;
    assert_eq!(status, StatusCode::OK);
    let id = answer["event_id"].as_str().expect("an id").to_owned();
    assert_eq!(answer, json!({ "status": "published", "event_id": id }));
    assert_eq!(json_of(publish()).await, (StatusCode::OK, answer), "also when it is sent again");
    let (status, _) = json_of(gateway.post("/events/custom?answer=ruby").json(&custom)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn every_registered_event_has_its_path() {
    let gateway = serve().await;
    for event in bloodbank_core::Registry::global().events() {
        let path = event.routing_key().replace('.', "/").replace("{action}", "updated");
        let (status, problem) = json_of(gateway.post(&format!("/events/{path}")).json(&json!(7))).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {problem}");
        assert_eq!(pointers(&problem), [""], "{problem}");
    }
}

#[tokio::test]
async fn every_fault_of_a_payload_has_its_pointer() {
    let gateway = serve().await;
    let payload = json!({ "prompt": 7, "tags": ["a", 5] });
    let (status, problem) = json_of(gateway.post("/events/llm/prompt").json(&payload)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["type"], "urn:bloodbank:invalid-event");
    let mut found = pointers(&problem);
    found.sort_unstable();
    assert_eq!(found, ["", "/prompt", "/tags/1"], "the missing provider is a fault of the whole: {problem}");

    // The schema cannot say it, the rules of the type can.
    let payload = json!({ "provider": "", "prompt": "x" });
    let (status, problem) = json_of(gateway.post("/events/llm/prompt").json(&payload)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(pointers(&problem), ["/provider"]);
}

#[tokio::test]
async fn of_faults_without_number_the_first_are_listed_and_the_others_counted() {
    let gateway = serve().await;
    let body = format!("{{\"sentences\":[{}0]}}", "0,".repeat(499_999));
    let json = |path: &str| gateway.post(path).header("content-type", "application/json");
    let (status, problem) = json_of(json("/events/fireflies/transcript/ready").body(body.clone())).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"].as_array().unwrap().len(), 100);
    let omitted = problem["omitted_errors"].as_u64().unwrap();
    assert!((499_900..500_100).contains(&omitted), "{omitted}");
    assert_eq!(problem["detail"], format!("{} fields of the payload are invalid", omitted + 100));
    let whole = format!("{{\"event_type\":\"fireflies.transcript.ready\",\"payload\":{body}}}");
    let (_, problem) = json_of(json("/events/custom").body(whole)).await;
    assert_eq!((problem["errors"].as_array().unwrap().len(), &problem["omitted_errors"]), (100, &json!(omitted)));
}

#[tokio::test]
async fn a_time_that_is_none_has_its_pointer_too() {
    let gateway = serve().await;
    let mut payload = json!({
        "media_file": "a.mp3", "media_duration_seconds": 60, "media_type": "audio/mpeg", "created_at": "yesterday",
    });
    let (status, problem) = json_of(gateway.post("/events/fireflies/transcript/upload").json(&payload)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(pointers(&problem), ["/created_at"], "{problem}");
    for time in ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456+02:00"] {
        payload["created_at"] = json!(time);
        let (status, envelope) = json_of(gateway.post("/events/fireflies/transcript/upload").json(&payload)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{envelope}");
    }
}

#[tokio::test]
async fn a_placeholder_comes_from_the_path_and_may_not_contradict_it() {
    let gateway = serve().await;
    let payload = json!({ "kind": "file", "uri": "file:///a" });
    let (status, envelope) = json_of(gateway.post("/events/artifact/created").json(&payload)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{envelope}");
    assert_eq!(
        (&envelope["event_type"], &envelope["payload"]["action"]),
        (&json!("artifact.created"), &json!("created"))
    );

    let payload = json!({ "kind": "file", "uri": "file:///a", "action": "deleted" });
    let (status, problem) = json_of(gateway.post("/events/artifact/created").json(&payload)).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert_eq!(pointers(&problem), ["/action"]);
}

#[tokio::test]
async fn the_same_key_for_a_repeated_request_gives_the_same_event() {
    let gateway = serve().await;
    let publish = |key: &'static str| {
        let request = gateway.post("/events/llm/prompt").header("Idempotency-Key", key).json(&*PROMPT);
        async { json_of(request).await.1["event_id"].clone() }
    };
    let first = publish("order-7").await;
    assert_eq!(first, publish("\"order-7\"").await, "quotes are no part of it");
    assert_ne!(first, publish("order-8").await);
    assert_eq!(first, json!(deterministic("llm.prompt", "client=|idempotency_key=order-7")));

    let id = Uuid::new_v4();
    let by_query = gateway.post(&format!("/events/llm/prompt?event_id={id}")).json(&*PROMPT);
    assert_eq!(json_of(by_query).await.1["event_id"], json!(id));
    let by_header = gateway.post("/events/llm/prompt").header("Event-Id", id.to_string()).json(&*PROMPT);
    assert_eq!(json_of(by_header).await.1["event_id"], json!(id));
    let (status, _) = json_of(gateway.post("/events/llm/prompt?event_id=7").json(&*PROMPT)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_answered_as_the_first_time_and_publishes_nothing() {
    for bus in buses().await {
        let gateway = serve_with(bus, |builder| builder).await;
        let mut live = Events::of(gateway.get("/events/stream")).await;
        let post =
            |path: &str, key: &str, body: &Value| gateway.post(path).header("Idempotency-Key", key).json(body).send();
        let whole = envelope("llm.prompt", &PROMPT);
        for (path, key, body) in [("/events/llm/prompt", "a", &*PROMPT), ("/events/custom", "b", &whole)] {
            // At the same time, and later: there is one answer.
            let requests = (0..8).map(|_| post(path, key, body));
            let mut answers = Vec::new();
            for response in join_all(requests).await {
                let response = response.unwrap();
                let is_repeated = response.headers().contains_key("idempotent-replayed");
                answers.push((is_repeated, response.status(), response.text().await.unwrap()));
            }
            assert_eq!(answers.iter().filter(|(is_repeated, ..)| *is_repeated).count(), 7);
            assert!(answers.iter().all(|(_, status, text)| *status == StatusCode::ACCEPTED && *text == answers[0].2));
            let (status, problem) =
                read(post(path, key, &json!({ "provider": "x", "prompt": "another" })).await.unwrap()).await;
            assert!(status == StatusCode::CONFLICT || status == StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        }
        let other = json!({ "provider": "x", "prompt": "another" });
        let (status, problem) = read(post("/events/llm/prompt", "a", &other).await.unwrap()).await;
        assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("urn:bloodbank:idempotency-key-reused")));
        let elsewhere = read(post("/events/agent/thread/prompt", "a", &PROMPT).await.unwrap()).await;
        assert_eq!(elsewhere.0, StatusCode::CONFLICT, "the key belongs to the request, not to its path");
        // What was refused is no first answer.
        assert_eq!(
            read(post("/events/llm/prompt", "c", &json!({})).await.unwrap()).await.0,
            StatusCode::UNPROCESSABLE_ENTITY
        );
        assert_eq!(read(post("/events/llm/prompt", "c", &PROMPT).await.unwrap()).await.0, StatusCode::ACCEPTED);
        let prompts: Vec<_> = [live.next().await, live.next().await, live.next().await].into_iter().flatten().collect();
        assert_eq!(prompts.iter().map(|(id, ..)| id).collect::<HashSet<_>>().len(), 3, "{prompts:?}");
        let batch = gateway.post("/events/batch").header("content-type", "application/jsonl").body(whole.to_string());
        let (status, problem) = json_of(batch.header("Idempotency-Key", "d")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    }
}

#[tokio::test]
async fn a_problem_tells_the_id_of_an_event_that_may_be_on_the_bus() {
    let gateway = serve().await;
    let agent = Session::open(&gateway, None).await;
    gateway.bus.close().await;
    let named = json!({ "event_id": Uuid::from_u128(7), "event_type": "llm.prompt", "payload": *PROMPT });
    let command = json!({ "event_type": "agent.thread.prompt", "payload": *PROMPT });
    for (path, body) in [("/events/llm/prompt", &*PROMPT), ("/events/custom", &named), ("/events/custom", &command)] {
        let (status, problem) = json_of(gateway.post(path).json(body)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let id: Uuid = problem["event_id"].as_str().unwrap_or_else(|| panic!("{path}: {problem}")).parse().unwrap();
        assert!(*body != named || id == Uuid::from_u128(7), "{problem}");
    }
    let batch = gateway.post("/events/batch").header("content-type", "application/jsonl").body(named.to_string());
    let result: Value = serde_json::from_str(&batch.send().await.unwrap().text().await.unwrap()).unwrap();
    assert_eq!(result["problem"]["event_id"], json!(Uuid::from_u128(7)), "{result}");
    let arguments = json!({ "key": "llm.prompt", "payload": *PROMPT, "event_id": Uuid::from_u128(7) });
    let said = agent.call("publish_event", arguments).await.expect_err("the bus is closed");
    assert!(said.contains(&format!("the `event_id` is {}", Uuid::from_u128(7))), "{said}");
}

#[tokio::test]
async fn a_command_says_where_its_answer_will_be() {
    let gateway = serve().await;
    let request = gateway.post("/events/agent/thread/prompt").json(&*PROMPT);
    let response = request.send().await.unwrap();
    assert_eq!(response.headers()["bloodbank-unrouted"], "true", "nobody executes it");
    let place = response.headers()["location"].to_str().unwrap().to_owned();
    let (_, envelope) = crate::support::read(response).await;
    assert_eq!(place, format!("/commands/{}", envelope["event_id"].as_str().unwrap()));
}

fn envelope(event_type: &str, payload: &Value) -> Value {
    json!({ "event_type": event_type, "payload": payload })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_envelope_keeps_what_it_says() {
    for bus in buses().await {
        let gateway = serve_with(bus, |builder| builder).await;
        let (id, parent) = (Uuid::new_v4(), Uuid::new_v4());
        let mut custom = envelope("llm.prompt", &PROMPT);
        custom["event_id"] = json!(id);
        custom["correlation_id"] = json!(parent);
        custom["source"] = json!({ "host": "n8n", "type": "hook" });
        let (status, body) = json_of(gateway.post("/events/custom").json(&custom)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        assert_eq!((&body["status"], &body["event_id"]), (&json!("published"), &json!(id)));
        let tracker = gateway.bus.correlation().unwrap();
        assert_eq!(tracker.parents(id).await.unwrap(), [parent], "version 1 of the envelope has one parent");
    }
}

#[tokio::test]
async fn an_unregistered_event_is_taken_only_where_it_is_allowed() {
    let strange = envelope("strange.thing.happened", &json!({ "a": 1 }));
    let gateway = serve().await;
    let (status, problem) = json_of(gateway.post("/events/custom").json(&strange)).await;
    assert_eq!(status, StatusCode::NOT_FOUND, "{problem}");
    let gateway = serve_with(bloodbank_core::Bus::embedded(), |builder| builder.allow_unregistered(true)).await;
    let (status, _) = json_of(gateway.post("/events/custom").json(&strange)).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    // One that is registered is checked there too.
    let (status, problem) = json_of(gateway.post("/events/custom").json(&envelope("llm.prompt", &json!({})))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(pointers(&problem).iter().all(|pointer| *pointer == "/payload"), "{problem}");
    // And a key is a key.
    for key in ["", "a..b", "a.#", "a.*", "../x"] {
        let (status, problem) = json_of(gateway.post("/events/custom").json(&envelope(key, &json!({})))).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{key:?}: {problem}");
    }
}

#[tokio::test]
async fn a_broken_envelope_names_the_place() {
    let gateway = serve().await;
    for (change, pointer) in [
        (json!({ "event_id": "x" }), "/event_id"),
        (json!({ "timestamp": "yesterday" }), "/timestamp"),
        (json!({ "correlation_ids": ["x"] }), "/correlation_ids/0"),
        (json!({ "source": { "host": 7, "type": "hook" } }), "/source/host"),
    ] {
        let mut custom = envelope("llm.prompt", &PROMPT);
        custom.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (status, problem) = json_of(gateway.post("/events/custom").json(&custom)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert_eq!(pointers(&problem), [pointer], "{problem}");
    }
    let (_, problem) = json_of(gateway.post("/events/custom").json(&json!({}))).await;
    assert_eq!(pointers(&problem), ["/event_type", "/payload"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_line_of_a_batch_has_its_result() {
    for bus in buses().await {
        let gateway = serve_with(bus, |builder| builder).await;
        let good = envelope("llm.prompt", &PROMPT).to_string();
        let bad = envelope("llm.prompt", &json!({ "provider": 7 })).to_string();
        let body = format!("{good}\n{bad}\n\nno json\n{good}\r\n");
        let request = gateway.post("/events/batch").header("content-type", "application/x-ndjson").body(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let text = response.text().await.unwrap();
        let results: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let statuses: Vec<_> =
            results.iter().map(|result| (result["line"].clone(), result["status"].clone())).collect();
        let expected = [(1, 202), (2, 422), (4, 400), (5, 202)].map(|(line, status)| (json!(line), json!(status)));
        assert_eq!(statuses, expected);
        assert_eq!(results[1]["problem"]["errors"][0]["pointer"], "/payload");
    }
}

#[tokio::test]
async fn cloud_events_are_taken_in_both_modes() {
    let gateway = serve().await;
    let event = json!({
        "specversion": "1.0", "id": "order-7", "source": "/shop", "type": "llm.prompt",
        "time": "2026-01-02T03:04:05Z", "data": *PROMPT,
    });
    let structured = |path: &str, event: &Value| {
        gateway.post(path).header("content-type", "application/cloudevents+json; charset=utf-8").body(event.to_string())
    };
    let (status, envelope) = json_of(structured("/events/llm/prompt", &event)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{envelope}");
    assert_eq!(envelope["timestamp"].as_str().unwrap().get(..19), Some("2026-01-02T03:04:05"));
    assert_eq!(envelope["source"]["app"], "/shop");
    let (_, again) = json_of(structured("/events/custom", &event)).await;
    assert_eq!(envelope["event_id"], again["event_id"], "source and id name it");

    let binary = gateway.post("/events/llm/prompt").json(&*PROMPT);
    let binary = binary.header("ce-specversion", "1.0").header("ce-id", "order-7").header("ce-source", "/shop");
    let (status, same) = json_of(binary.header("ce-type", "llm.prompt")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{same}");
    assert_eq!(envelope["event_id"], same["event_id"]);

    let (_, problem) = json_of(structured("/events/custom", &json!({ "specversion": "0.3", "id": 7 }))).await;
    let mut found = pointers(&problem);
    found.sort_unstable();
    assert_eq!(found, ["/id", "/source", "/specversion", "/type"]);
    let (status, problem) = json_of(structured("/events/llm/response", &event)).await;
    assert_eq!((status, pointers(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, vec!["/type"]));
    let mut wrong = event.clone();
    wrong["data"] = json!({ "provider": 1, "prompt": "x" });
    let (_, problem) = json_of(structured("/events/custom", &wrong)).await;
    assert_eq!(pointers(&problem), ["/data/provider"]);
}

#[tokio::test]
async fn a_cloud_event_is_the_same_in_each_form_and_keeps_its_extensions() {
    let gateway = serve().await;
    let mut live = Events::of(gateway.get("/events/stream?format=cloudevents")).await;
    let event = json!({
        "specversion": "1.0", "id": "order 7 – é", "source": "/shop/é", "type": "llm.prompt",
        "partitionkey": "k", "sampledrate": 5, "data": *PROMPT,
    });
    let structured = |event: &Value| {
        let request = gateway.post("/events/custom").header("content-type", "application/cloudevents+json");
        request.body(event.to_string())
    };
    let (status, first) = json_of(structured(&event)).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{first}");
    let mut encoded = event.clone();
    encoded.as_object_mut().unwrap().remove("data");
    encoded["data_base64"] = BASE64.encode(PROMPT.to_string()).into();
    let binary = gateway.post("/events/llm/prompt").json(&*PROMPT).header("ce-specversion", "1.0");
    let binary = binary.header("ce-id", "order%207%20%E2%80%93%20%C3%A9").header("ce-source", "/shop/%C3%A9");
    let binary = binary.header("ce-type", "llm.prompt").header("ce-partitionkey", "k").header("ce-note", "caf%C3%A9");
    for request in [structured(&encoded), binary] {
        let (status, same) = json_of(request).await;
        assert_eq!((status, &same["event_id"]), (StatusCode::ACCEPTED, &first["event_id"]), "{same}");
    }
    let events: Vec<_> = [live.next().await, live.next().await, live.next().await].into_iter().flatten().collect();
    assert!(events.iter().all(|(_, _, event)| event["partitionkey"] == "k" && event["data"]["prompt"] == "why?"));
    assert_eq!((&events[0].2["sampledrate"], &events[2].2["note"]), (&json!(5), &json!("café")), "{events:?}");

    let request = gateway.post("/events/llm/prompt").json(&*PROMPT).header("ce-specversion", "1.0");
    let request = request.header("ce-id", "%FF").header("ce-source", "/shop").header("ce-type", "llm.prompt");
    let (status, problem) = json_of(request).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(problem["errors"][0]["detail"].as_str().unwrap().contains("`ce-id` is not UTF-8"), "{problem}");
    for (member, pointer) in [(json!("%"), "/data_base64"), (json!(7), "/data_base64")] {
        encoded["data_base64"] = member;
        let (_, problem) = json_of(structured(&encoded)).await;
        assert_eq!(pointers(&problem), [pointer], "{problem}");
    }
    encoded["data"] = json!({});
    let (_, problem) = json_of(structured(&encoded)).await;
    assert_eq!(pointers(&problem), ["/data_base64"], "it has data twice: {problem}");
}
