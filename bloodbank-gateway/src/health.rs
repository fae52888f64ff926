//! Whether the gateway lives, and whether what it needs does.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bloodbank_core::transport::Topology;
use serde_json::{Value, json};

use crate::Gateway;

/// How long the bus may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz(State(gateway): State<Gateway>) -> Json<Value> {
    Json(json!({
        "status": "healthy",
        "ok": true,
        "service": gateway.bus().settings().service_name,
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// `GET /readyz`: the bus answers. A correlation store that is away delays and fails nothing, so it does not count.
pub(crate) async fn readyz(State(gateway): State<Gateway>) -> Response {
    let bus = gateway.bus();
    let probe = bus.transport().declare(Topology::events(bus.exchange()));
    let bus_ok = matches!(tokio::time::timeout(PATIENCE, probe).await, Ok(Ok(())));
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
        "service": bus.settings().service_name,
        "version": env!("CARGO_PKG_VERSION"),
        "bus": { "status": if bus_ok { "ok" } else { "away" }, "system": bus.transport().system() },
        "correlation": correlation,
        "workers": { "status": workers },
    });
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}
