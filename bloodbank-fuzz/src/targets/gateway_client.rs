//! A client of a gateway that runs in this process, without a network.

use std::{cell::RefCell, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header::CONTENT_TYPE},
};
use bloodbank::Bus;
use bloodbank_domains as _;
use bloodbank_gateway::{Gateway, router};
use bloodbank_webhooks::Webhooks;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::BodyExt;
use sha2::Sha256;
use tokio::{runtime::Runtime, time::timeout};
use tower::ServiceExt;

/// The time for which an endless response, such as a stream of events, is read.
const READ_TIMEOUT: Duration = Duration::from_millis(20);
/// The secret that webhooks are signed with.
const SECRET: &str = "a secret";
/// A pause in which the runtime looks at its clock.
const PAUSE: Duration = Duration::from_millis(2);
/// The number of requests after which the gateway is replaced, because published events stay in memory.
const MAX_REQUESTS: u32 = 20_000;

/// A client and its gateway on an embedded bus in memory.
pub(super) struct GatewayClient {
    runtime: Runtime,
    running: RefCell<Running>,
}

struct Running {
    bus: Bus,
    router: Router,
    requests: u32,
}

/// A response of the gateway.
pub(super) struct Response {
    pub(super) status: StatusCode,
    pub(super) headers: axum::http::HeaderMap,
    pub(super) body: Vec<u8>,
}

impl GatewayClient {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let running = RefCell::new(Self::start(&runtime));
        Self { runtime, running }
    }

    fn start(runtime: &Runtime) -> Running {
        let _inside = runtime.enter();
        let bus = Bus::embedded();
        let webhooks = Webhooks::default().fireflies(SECRET).github(SECRET);
        let router = router(Gateway::builder(bus.clone()).endpoints(webhooks.endpoints()).build());
        Running { bus, router, requests: 0 }
    }

    /// Whether the next request goes to a new gateway, which knows nothing of the requests before.
    pub(super) fn is_worn_out(&self) -> bool {
        self.running.borrow().requests >= MAX_REQUESTS
    }

    pub(super) fn send(&self, request: Request<Body>) -> Response {
        if self.is_worn_out() {
            let old = self.running.replace(Self::start(&self.runtime));
            // Closing ends the streams, which would keep the bus. And whatever waits for a time gets its turn: responses
            // come too quickly for the runtime to look at the clock.
            self.runtime.block_on(async {
                old.bus.close().await;
                tokio::time::sleep(PAUSE).await;
            });
        }
        let router = {
            let mut running = self.running.borrow_mut();
            running.requests += 1;
            running.router.clone()
        };
        // Of a stream that does not end, only the head is looked at.
        let is_stream = request.uri().path() == "/events/stream";
        self.runtime.block_on(async {
            let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            let (parts, mut body) = response.into_parts();
            let mut read = Vec::new();
            while !is_stream && let Ok(Some(frame)) = timeout(READ_TIMEOUT, body.frame()).await {
                read.extend_from_slice(
                    frame.ok().and_then(|frame| frame.into_data().ok()).as_deref().unwrap_or_default(),
                );
            }
            Response { status: parts.status, headers: parts.headers, body: read }
        })
    }
}

/// The signature of a webhook.
pub(super) fn sign(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

impl Response {
    /// Asserts that no request makes the gateway fail, and that a JSON content type belongs to JSON.
    pub(super) fn check(&self) {
        let Self { status, headers, body } = self;
        let text = String::from_utf8_lossy(body);
        assert!(!status.is_server_error() || *status == StatusCode::SERVICE_UNAVAILABLE, "{status}: {text}");
        let is_json = headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().ends_with(b"json") && !kind.as_bytes().ends_with(b"ndjson"));
        // To HEAD, the answer is without its body.
        let is_read = body.is_empty() || serde_json::from_slice::<serde_json::Value>(body).is_ok();
        assert!(!is_json || is_read, "{status} is no JSON: {text}");
    }
}
