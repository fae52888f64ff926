//! The history, page by page.
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use bloodbank_core::{Bus, Settings};
use bloodbank_gateway::Tokens;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{PROMPT, Served, json_of, rabbit, serve, serve_with};

const ALL: &str = "the-secret-of-everything";
const ARTIFACTS: &str = "the-secret-of-artifacts";
const TOKENS: &str = r##"
[[token]]
name = "all"
secret = "the-secret-of-everything"
publish = ["#"]
read = ["#"]

[[token]]
name = "artifacts"
secret = "the-secret-of-artifacts"
read = ["artifact.#"]
"##;

/// A gateway on a bus in a file, with seven events: of an artifact, then of prompts that it caused.
async fn served(folder: &tempfile::TempDir, tokens: Option<Tokens>) -> (Served, Vec<String>) {
    let vars = [("BLOODBANK_EMBEDDED_PATH", folder.path().join("bus.db").to_str().unwrap().to_owned())];
    let bus = Bus::connect(Settings::from_vars(vars).unwrap()).await.unwrap();
    let gateway = serve_with(bus, |builder| match tokens {
        Some(tokens) => builder.tokens(tokens),
        None => builder,
    })
    .await;
    let mut ids = Vec::new();
    for number in 0..7 {
        let (path, payload) = match ids.first() {
            None => ("/events/artifact/created".to_owned(), json!({ "kind": "file", "uri": "file:///first" })),
            Some(first) => {
                let mut prompt = PROMPT.clone();
                prompt["prompt"] = format!("why {number}?").into();
                (format!("/events/llm/prompt?correlation_ids={first}"), prompt)
            }
        };
        let (status, body) = json_of(gateway.post(&path).bearer_auth(ALL).json(&payload)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        ids.push(body["event_id"].as_str().unwrap().to_owned());
    }
    (gateway, ids)
}

async fn page(gateway: &Served, query: &str, token: &str) -> Value {
    let (status, page) = json_of(gateway.get(&format!("/history?{query}")).bearer_auth(token)).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    page
}

fn ids(page: &Value) -> Vec<&str> {
    let entries = page["entries"].as_array().unwrap().iter();
    entries.map(|entry| entry["body"]["event_id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_read_page_by_page_in_both_directions() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, events) = served(&folder, None).await;
    let mut forward = Vec::new();
    let mut query = "from=0&limit=3".to_owned();
    loop {
        let page = page(&gateway, &query, "").await;
        forward.push(ids(&page).len());
        assert_eq!(ids(&page)[0], events[forward[..forward.len() - 1].iter().sum::<usize>()]);
        match page["next"].as_u64() {
            Some(next) => query = format!("from={next}&limit=3"),
            None => break,
        }
    }
    assert_eq!(forward, [3, 3, 1]);
    let newest = page(&gateway, "limit=5", "").await;
    assert_eq!(ids(&newest), events[2..]);
    let previous = page(&gateway, &format!("limit=5&before={}", newest["previous"]), "").await;
    assert_eq!(
        (ids(&previous), &previous["previous"]),
        (events[..2].iter().map(String::as_str).collect(), &Value::Null)
    );
    assert_eq!((newest["floor"].as_u64(), newest["tip"].as_u64()), (Some(1), Some(7)));
    // What is published after the newest page comes with the next one.
    let next = format!("from={}", newest["next"]);
    assert_eq!(ids(&page(&gateway, &next, "").await), [""; 0]);
    let (_, later) = json_of(gateway.post("/events/llm/prompt").json(&*PROMPT)).await;
    assert_eq!(ids(&page(&gateway, &next, "").await), [later["event_id"].as_str().unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_searched() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, events) = served(&folder, None).await;
    let first = &events[0];
    let entry = &page(&gateway, &format!("id={first}"), "").await["entries"][0];
    assert_eq!(
        (&entry["body"]["payload"]["uri"], &entry["routing_key"]),
        (&json!("file:///first"), &json!("artifact.created"))
    );
    for (query, expected) in [
        ("pattern=artifact.%23", &events[..1]),
        ("type=artifact.created&type=llm.response", &events[..1]),
        ("text=why+3", &events[3..4]),
        (&format!("caused_by={first}"), &events[1..]),
        (&format!("since={}", entry["published_at"].as_str().unwrap()), &events[..]),
        ("until=2020-01-01T00:00:00Z", &[]),
        ("source=nobody", &[]),
    ] {
        assert_eq!(ids(&page(&gateway, query, "").await), expected, "{query}");
    }
    for query in ["limit=0", "limit=1001", "since=soon", "id=7", "pattern=a..b", "from=-1"] {
        let (status, problem) = json_of(gateway.get(&format!("/history?{query}"))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_shows_a_token_what_it_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let (gateway, events) = served(&folder, Some(Tokens::from_toml(TOKENS).unwrap())).await;
    for query in ["", "limit=2", "from=0", "from=0&limit=2"] {
        assert_eq!(ids(&page(&gateway, query, ARTIFACTS).await), [&events[0]], "{query}");
    }
    assert_eq!(ids(&page(&gateway, "from=0", ALL).await), events);
    assert_eq!(json_of(gateway.get("/history")).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_without_a_journal_says_what_gives_it_one() {
    for (gateway, remedy) in [
        (serve().await, "BLOODBANK_EMBEDDED_PATH"),
        (serve_with(rabbit().await, |builder| builder).await, "topology journal enable"),
    ] {
        let (status, problem) = json_of(gateway.get("/history")).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(problem["detail"].as_str().unwrap().contains(remedy), "{problem}");
    }
}
