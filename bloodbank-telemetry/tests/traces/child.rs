//! The services whose spans are looked at.

use std::{
    env,
    sync::LazyLock,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use bloodbank::prelude::*;
use bloodbank_gateway::{Gateway, router};
use tokio::{sync::Notify, time::timeout};
use tower::ServiceExt;

pub(crate) const ROLE: &str = "BLOODBANK_TRACED_ROLE";
/// The trace that the client of the gateway is in.
pub(crate) const CLIENT_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
pub(crate) const CLIENT_SPAN: &str = "b7ad6b7169203331";

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "traced.order.placed")]
struct OrderPlaced {
    number: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "traced.order.shipped")]
struct OrderShipped {
    number: u32,
}

#[subscriber]
async fn ship(order: OrderPlaced) -> OrderShipped {
    wrap(order.number).await;
    OrderShipped { number: order.number }
}

/// A span of the service's own.
#[tracing::instrument]
async fn wrap(number: u32) {
    tracing::info!("wrapped");
}

/// Fails when it is tried first.
#[subscriber(retry(max_attempts = 3, backoff = "250ms"))]
async fn audit(_order: OrderPlaced, context: Context) -> Result<(), HandlerError> {
    if context.attempt() == 1 {
        return Err(HandlerError::retry("the books are closed"));
    }
    AUDITED.notify_one();
    Ok(())
}

#[subscriber]
async fn invoice(_order: OrderShipped) {
    INVOICED.notify_one();
}

static AUDITED: LazyLock<Notify> = LazyLock::new(Notify::new);
static INVOICED: LazyLock<Notify> = LazyLock::new(Notify::new);

async fn soon(what: &str, done: &Notify) {
    timeout(Duration::from_secs(60), done.notified()).await.unwrap_or_else(|_| panic!("{what} did not happen"));
}

/// For the test runner itself there is nothing to do.
#[test]
fn works() {
    let Ok(role) = env::var(ROLE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let telemetry = bloodbank_telemetry::init().unwrap();
        println!("exporting: {}", telemetry.is_exporting());
        let bus = Bus::from_env().await.unwrap();
        match &*role {
            "all" => {
                let billing = App::new("billing", bus.clone()).subscribe(invoice).start().await.unwrap();
                order(&bus).await;
                soon("an invoice", &INVOICED).await;
                billing.shutdown().await.unwrap();
            }
            "shipping" => order(&bus).await,
            "billing" => {
                let billing = App::new("billing", bus.clone()).subscribe(invoice).start().await.unwrap();
                println!("ready");
                soon("an invoice", &INVOICED).await;
                billing.shutdown().await.unwrap();
            }
            other => panic!("{other}"),
        }
        bus.close().await;
        let start = Instant::now();
        telemetry.shutdown().await;
        println!("stopped after {} ms", start.elapsed().as_millis());
    });
}

/// Sends an order to the gateway, and waits until it is handled.
async fn order(bus: &Bus) {
    let shipping = App::new("shipping", bus.clone()).subscribe(ship).subscribe(audit).start().await.unwrap();
    let gateway = Gateway::builder(bus.clone()).build();
    let request = Request::post("/events/traced/order/placed")
        .header("content-type", "application/json")
        .header("traceparent", format!("00-{CLIENT_TRACE}-{CLIENT_SPAN}-01"))
        .body(Body::from(r#"{"number": 1}"#));
    let response = router(gateway).oneshot(request.unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    soon("the second attempt", &AUDITED).await;
    shipping.shutdown().await.unwrap();
}
