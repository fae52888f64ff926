//! `GET /healthz` and `GET /readyz`: whether the process answers, and whether it can do its work.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bloodbank_core::transport::Topology;
use serde_json::{Value, json};

use crate::{gateway::Gateway, operation::Operation};

/// The time in which the bus must answer.
const BUS_TIMEOUT: Duration = Duration::from_secs(2);

/// Answers while the process lives.
pub(super) async fn healthz(State(gateway): State<Gateway>) -> Json<Value> {
    Json(json!({
        "status": "healthy",
        "ok": true,
        "service": gateway.bus().service_name(),
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// Answers 200 where the bus answers and the workers are alive, 503 otherwise. A correlation store that is away does not
/// count, because nothing waits for it or fails without it.
pub(super) async fn readyz(State(gateway): State<Gateway>) -> Response {
    let bus = gateway.bus();
    let probe = bus.transport().declare(Topology::events(bus.exchange()));
    let bus_ok = matches!(tokio::time::timeout(BUS_TIMEOUT, probe).await, Ok(Ok(())));
    let correlation = bus.correlation().map(|correlation| correlation.health());
    let correlation = match &correlation {
        None => json!({ "status": "off" }),
        Some(health) => json!({
            "status": if health.available { "ok" } else { "away" },
            "missed": health.missed,
        }),
    };
    let workers_ok = gateway.workers().map(|alive| alive());
    let workers = match workers_ok {
        None => "none",
        Some(true) => "ok",
        Some(false) => "stopped",
    };
    let ok = bus_ok && workers_ok != Some(false);
    let body = json!({
        "status": if ok { "ready" } else { "not ready" },
        "ok": ok,
        "service": bus.service_name(),
        "version": env!("CARGO_PKG_VERSION"),
        "bus": { "status": if bus_ok { "ok" } else { "away" }, "system": bus.transport().system() },
        "correlation": correlation,
        "workers": { "status": workers },
    });
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

pub(super) fn healthz_operation() -> Operation {
    Operation::new("health", "Tells whether the process answers").json(
        200,
        "The process answers.",
        json!({ "type": "object" }),
    )
}

pub(super) fn readyz_operation() -> Operation {
    Operation::new("ready", "Tells whether the bus, correlation and the workers are available")
        .json(200, "The gateway is ready.", json!({ "type": "object" }))
        .json(503, "The gateway is not ready.", json!({ "type": "object" }))
}
