//! The gateway's router in process, without a network.

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

/// An endless answer, such as a stream of events, is read for so long.
const PATIENCE: Duration = Duration::from_millis(20);
/// What webhooks are signed with.
const SECRET: &str = "a secret";
/// Long enough for the clock of a runtime.
const TURN: Duration = Duration::from_millis(2);
/// What is published stays in memory.
const MOST: u32 = 20_000;

/// A gateway on a bus in memory.
pub(super) struct Web {
    runtime: Runtime,
    running: RefCell<Running>,
}

struct Running {
    bus: Bus,
    router: Router,
    requests: u32,
}

/// What it answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: axum::http::HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Web {
    pub(super) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let running = RefCell::new(Self::start(&runtime));
        Self { runtime, running }
    }

    fn start(runtime: &Runtime) -> Running {
        let _inside = runtime.enter();
        let bus = Bus::embedded();
        let webhooks = Webhooks { fireflies: Some(SECRET.into()), github: Some(SECRET.into()), cache: None };
        let router = router(Gateway::builder(bus.clone()).endpoints(webhooks.endpoints()).build());
        Running { bus, router, requests: 0 }
    }

    /// Whether the next request goes to a gateway that knows nothing of those before.
    pub(super) fn is_worn_out(&self) -> bool {
        self.running.borrow().requests >= MOST
    }

    pub(super) fn ask(&self, request: Request<Body>) -> Answer {
        if self.is_worn_out() {
            let old = self.running.replace(Self::start(&self.runtime));
            // Ends its streams, which would keep all of it. And whatever waits for a time gets its turn: answers come too
            // quickly for the runtime to look at the clock.
            self.runtime.block_on(async {
                old.bus.close().await;
                tokio::time::sleep(TURN).await;
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
            while !is_stream && let Ok(Some(frame)) = timeout(PATIENCE, body.frame()).await {
                read.extend_from_slice(
                    frame.ok().and_then(|frame| frame.into_data().ok()).as_deref().unwrap_or_default(),
                );
            }
            Answer { status: parts.status, headers: parts.headers, body: read }
        })
    }
}

/// The signature of a webhook.
pub(super) fn sign(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

impl Answer {
    /// Nobody outside can make it fail, and what it refuses is explained as JSON.
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
