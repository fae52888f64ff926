//! A gateway on a free port, and a client for it.

use std::sync::LazyLock;

use bloodbank_core::{Bus, Settings};
use bloodbank_domains as _;
use bloodbank_gateway::{Gateway, GatewayBuilder, ServeOptions, Server};
use bloodbank_harness::{shared_rabbit_url, unique};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};

/// A gateway that serves until this is dropped.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) bus: Bus,
    pub(crate) gateway: Gateway,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

/// Serves a gateway on this bus, built as `with` says.
pub(crate) async fn serve_with(bus: Bus, with: impl FnOnce(GatewayBuilder) -> GatewayBuilder) -> Served {
    let gateway = with(Gateway::builder(bus.clone())).build();
    let (stop, stopped) = oneshot::channel();
    let options = ServeOptions::on("127.0.0.1", 0).until(async {
        let _ = stopped.await;
    });
    let server = Server::bind(gateway.clone(), options).await.expect("a free port");
    let url = format!("http://{}", server.address());
    let running = tokio::spawn(async move { server.run().await.expect("it serves") });
    // The client can speak TLS, and wants to be told with what.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Served { url, client: Client::new(), bus, gateway, stop: Some(stop), running }
}

/// Serves a gateway on a new bus in memory.
pub(crate) async fn serve() -> Served {
    serve_with(Bus::embedded(), |builder| builder).await
}

/// A bus of each kind.
pub(crate) async fn buses() -> Vec<Bus> {
    vec![Bus::embedded(), rabbit().await]
}

/// RabbitMQ, with an exchange of its own.
pub(crate) async fn rabbit() -> Bus {
    let vars = [("RABBIT_URL", shared_rabbit_url()), ("EXCHANGE_NAME", unique("gateway"))];
    Bus::connect(Settings::from_vars(vars).expect("settings")).await.expect("the harness runs")
}

impl Served {
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    /// Tells it to stop and waits until it has.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        (&mut self.running).await.expect("it ends");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// The status and the body.
pub(crate) async fn json_of(request: RequestBuilder) -> (StatusCode, Value) {
    read(request.send().await.expect("an answer")).await
}

/// The status and the body; a refusal is a problem.
pub(crate) async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let media_type = response.headers().get("content-type").map(|text| text.to_str().expect("ASCII").to_owned());
    let text = response.text().await.expect("a body");
    let body: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} without JSON: {text}"));
    if !status.is_success() {
        assert_eq!(media_type.as_deref(), Some("application/problem+json"), "{body}");
        assert_eq!(body["status"], status.as_u16(), "{body}");
        assert!(body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{body}");
    }
    (status, body)
}

/// The pointers of the faults of a problem.
pub(crate) fn pointers(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().expect("faults").iter().map(|fault| fault["pointer"].as_str().expect("text")).collect()
}

/// A valid payload of `llm.prompt`.
pub(crate) static PROMPT: LazyLock<Value> = LazyLock::new(|| json!({ "provider": "claude", "prompt": "why?" }));
