//! The least that a server can do: read the event, publish it, answer. No tokens, no schema, no limits, no envelope.

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use bloodbank_core::Bus;
use bloodbank_domains::llm::LlmPrompt;
use tokio::net::TcpListener;

/// Serves from now on; says where.
pub(crate) async fn serve(bus: Bus) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let router = Router::new().route("/events/llm/prompt", post(publish)).with_state(bus);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        stream.set_nodelay(true).expect("a socket");
    });
    tokio::spawn(async { axum::serve(listener, router).await.expect("it serves") });
    address
}

async fn publish(State(bus): State<Bus>, body: Bytes) -> (StatusCode, Bytes) {
    let event: LlmPrompt = serde_json::from_slice(&body).expect("valid");
    bus.publish(event).await.expect("published");
    (StatusCode::ACCEPTED, body)
}
