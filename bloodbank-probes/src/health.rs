//! The answers of `/healthz` and `/readyz`.

use std::time::Duration;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bloodbank_core::{Bus, app::Health, transport::Topology};
use serde_json::{Value, json};

/// The time in which the bus must answer.
const BUS_TIMEOUT: Duration = Duration::from_secs(2);

/// The answer to a probe: 200 or 503, with the reasons as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Whether it is well.
    pub ok: bool,
    /// What there is to say.
    pub body: Value,
}

impl IntoResponse for Probe {
    fn into_response(self) -> Response {
        let status = if self.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, Json(self.body)).into_response()
    }
}

/// Whether the process does what only a restart could make it do again; `workers`: the health of its subscribers, where it
/// has some.
#[must_use]
pub fn liveness(bus: &Bus, workers: Option<&Health>) -> Probe {
    let ok = workers.is_none_or(|workers| workers.live);
    let body = json!({
        "status": if ok { "healthy" } else { "dead" },
        "ok": ok,
        "service": bus.service_name(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    Probe { ok, body }
}

/// Whether the bus answers and the workers are alive. A correlation store that is away does not count, because nothing
/// waits for it or fails without it.
pub async fn readiness(bus: &Bus, workers: Option<&Health>) -> Probe {
    let asked = bus.transport().declare(Topology::events(bus.exchange()));
    let bus_ok = matches!(tokio::time::timeout(BUS_TIMEOUT, asked).await, Ok(Ok(())));
    let correlation = match bus.correlation().map(|correlation| correlation.health()) {
        None => json!({ "status": "off" }),
        Some(health) => json!({
            "status": if health.available { "ok" } else { "away" },
            "missed": health.missed,
        }),
    };
    let ok = bus_ok && workers.is_none_or(|workers| workers.ready);
    let body = json!({
        "status": if ok { "ready" } else { "not ready" },
        "ok": ok,
        "service": bus.service_name(),
        "version": env!("CARGO_PKG_VERSION"),
        "bus": { "status": if bus_ok { "ok" } else { "away" }, "system": bus.transport().system() },
        "correlation": correlation,
        "workers": workers.map_or_else(|| json!({ "status": "none" }), of_workers),
    });
    Probe { ok, body }
}

fn of_workers(health: &Health) -> Value {
    let subscribers: Vec<_> = health
        .subscribers
        .iter()
        .map(|subscriber| {
            let status = match (subscriber.running, subscriber.paused) {
                (false, _) => "stopped",
                (true, true) => "paused",
                (true, false) => "ok",
            };
            json!({ "queue": subscriber.queue, "status": status })
        })
        .collect();
    json!({
        "status": if health.ready { "ok" } else { "not ready" },
        "subscribers": subscribers,
        "reasons": health.reasons,
    })
}
