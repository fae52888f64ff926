//! What is left of a stream when it is closed.

use std::time::Duration;

use bloodbank_core::Bus;
use bloodbank_gateway::Limits;

use crate::{
    streams::Events,
    support::{PROMPT, Served, serve_with},
};

async fn is_unrouted(gateway: &Served) -> bool {
    let published = gateway.post("/events/llm/prompt").json(&*PROMPT).send().await.expect("an answer");
    published.headers().contains_key("bloodbank-unrouted")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_a_receiver_is_told_again_after_the_last_stream() {
    let limits = Limits::default().stream_linger(Duration::from_millis(50));
    let gateway = serve_with(Bus::embedded(), |builder| builder.limits(limits)).await;
    assert!(is_unrouted(&gateway).await);
    for _ in 0..2 {
        let mut stream = Events::of(gateway.get("/events/stream")).await;
        assert!(!is_unrouted(&gateway).await, "the stream receives it");
        assert_eq!(stream.next().await.expect("an event").1, "llm.prompt");
        drop(stream);
        let again = async {
            while !is_unrouted(&gateway).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), again).await.expect("the consumer ends with the last stream");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_back_in_time_misses_nothing() {
    let limits = Limits::default().stream_linger(Duration::MAX);
    let gateway = serve_with(Bus::embedded(), |builder| builder.limits(limits)).await;
    let mut stream = Events::of(gateway.get("/events/stream")).await;
    assert!(!is_unrouted(&gateway).await);
    let (last, ..) = stream.next().await.expect("an event");
    drop(stream);
    assert!(!is_unrouted(&gateway).await, "it is kept for the client");
    let mut stream = Events::of(gateway.get("/events/stream").header("last-event-id", &last)).await;
    assert_ne!(stream.next().await.expect("an event").0, last);
}
