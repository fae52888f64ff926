//! Dead letters over HTTP.

use bloodbank_core::{
    Bus,
    message::Outgoing,
    settings::QueueKind,
    transport::{Topology, topology::Queue},
};
use bloodbank_gateway::Tokens;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{buses, json_of, serve_with};

/// A subscriber's queue, and three messages that it gave up: two events, and one that is none.
async fn park(bus: &Bus, queue: &str) {
    let parked = format!("{queue}.dlq");
    let queues = [queue, &parked].map(|name| Queue::new(name.to_owned(), QueueKind::Classic));
    bus.transport().declare(Topology::default().queues(queues)).await.expect("declared");
    for number in 1..=3_u128 {
        let envelope = json!({
            "event_id": uuid::Uuid::from_u128(number), "event_type": "llm.prompt", "timestamp": "2025-10-18T12:00:00Z",
            "payload": { "provider": "claude", "prompt": number.to_string() },
        });
        let body = if number == 3 { "?".to_owned() } else { envelope.to_string() };
        let message = Outgoing::new("", parked.as_str(), body).mandatory();
        bus.transport().publish(message).await.expect("confirmed");
    }
}

fn ids(letters: &Value) -> Vec<&Value> {
    letters["letters"].as_array().expect("letters").iter().map(|letter| &letter["event_id"]).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_redriven_and_discarded() {
    for bus in buses().await {
        let queue = bloodbank_harness::unique("shop.ship");
        park(&bus, &queue).await;
        let gateway = serve_with(bus, |builder| builder).await;
        let place = |rest: &str| format!("/dead-letters/{queue}{rest}");
        let list = async |rest: &str| json_of(gateway.get(&place(rest))).await;
        let first = json!(uuid::Uuid::from_u128(1));

        let (status, all) = list("").await;
        assert_eq!((status, ids(&all).len()), (StatusCode::OK, 3), "{all}");
        assert!(all["letters"][0]["readable"] == true && all["letters"][0].get("message").is_none(), "{all}");
        let (_, one) = list("?type=llm.%23&limit=1&whole=true").await;
        assert_eq!((ids(&one), &one["letters"][0]["message"]["payload"]["prompt"]), (vec![&first], &json!("1")));
        let (_, unreadable) = list("?readable=false").await;
        assert_eq!(ids(&unreadable), [&Value::Null]);
        for (rest, status) in [
            ("?limit=many", StatusCode::BAD_REQUEST),
            ("?id=7", StatusCode::BAD_REQUEST),
            ("?since=yesterday", StatusCode::BAD_REQUEST),
            ("?type=a..b", StatusCode::BAD_REQUEST),
            ("?whole=perhaps", StatusCode::BAD_REQUEST),
        ] {
            assert_eq!(list(rest).await.0, status, "{rest}");
        }
        assert_eq!(json_of(gateway.get("/dead-letters/nobody.listens")).await.0, StatusCode::NOT_FOUND);

        let post = async |rest: &str| json_of(gateway.post(&place(rest))).await;
        for action in ["/redrive", "/discard"] {
            for rest in
                ["", "?dry_run=false", "?dry_run=true", "?all=false", "?error=", "?reason=", "?type=", "?all=perhaps"]
            {
                let (status, problem) = post(&format!("{action}{rest}")).await;
                assert_eq!(status, StatusCode::BAD_REQUEST, "{action}{rest}: {problem}");
            }
            let (_, dry) = post(&format!("{action}?all=true&dry_run=true")).await;
            assert_eq!(ids(&dry).len(), 3, "{dry}");
        }
        assert_eq!(ids(&list("").await.1).len(), 3, "nothing has changed");
        let by_id = format!("?id={}", uuid::Uuid::from_u128(1));
        let (status, dry) = post(&format!("/redrive{by_id}&dry_run=true")).await;
        assert_eq!((status, ids(&dry)), (StatusCode::OK, vec![&first]), "{dry}");
        assert_eq!(ids(&list("").await.1).len(), 3, "nothing has changed");
        let (_, done) = post(&format!("/redrive{by_id}")).await;
        assert_eq!(done["letters"][0]["error"], Value::Null, "{done}");
        let (_, gone) = post("/discard?readable=false").await;
        assert_eq!(ids(&gone), [&Value::Null]);
        assert_eq!(ids(&list("").await.1), [&json!(uuid::Uuid::from_u128(2))]);
        assert_eq!(ids(&post("/discard?all=true").await.1), [&json!(uuid::Uuid::from_u128(2))]);
        assert_eq!(ids(&list("").await.1), [] as [&Value; 0]);
    }
}

#[tokio::test]
async fn who_may_not_read_and_publish_everything_is_refused() {
    let tokens = Tokens::from_toml(
        "[[token]]\nname = \"reader\"\nsecret = \"0123456789-reader\"\nread = [\"#\"]\n\
         [[token]]\nname = \"writer\"\nsecret = \"0123456789-writer\"\nread = [\"llm.#\"]\npublish = [\"#\"]\n",
    );
    let bus = Bus::embedded();
    park(&bus, "shop.ship").await;
    let gateway = serve_with(bus, |builder| builder.tokens(tokens.expect("tokens"))).await;
    let list = || gateway.get("/dead-letters/shop.ship");
    let discard = || gateway.post("/dead-letters/shop.ship/discard");
    assert_eq!(json_of(list()).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(json_of(list().bearer_auth("0123456789-writer")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(json_of(list().bearer_auth("0123456789-reader")).await.0, StatusCode::OK);
    for secret in ["0123456789-reader", "0123456789-writer"] {
        assert_eq!(json_of(discard().bearer_auth(secret)).await.0, StatusCode::FORBIDDEN);
    }
    let (_, left) = json_of(list().bearer_auth("0123456789-reader")).await;
    assert_eq!(ids(&left).len(), 3);
}
