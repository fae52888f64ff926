//! `GET /healthz` and `GET /readyz`: whether the process answers, and whether it can do its work.

use axum::extract::State;
use bloodbank_probes::{Probe, liveness, readiness};

use crate::{
    gateway::Gateway,
    operation::{Operation, component},
};

/// Answers while the process lives.
pub(super) async fn healthz(State(gateway): State<Gateway>) -> Probe {
    liveness(gateway.bus(), gateway.workers().as_ref())
}

/// Answers 200 where the bus answers and the workers are alive, 503 otherwise.
pub(super) async fn readyz(State(gateway): State<Gateway>) -> Probe {
    readiness(gateway.bus(), gateway.workers().as_ref()).await
}

pub(super) fn healthz_operation() -> Operation {
    Operation::new("health", "Tells whether the process answers").json(
        200,
        "The process answers.",
        component("schemas", "Health"),
    )
}

pub(super) fn readyz_operation() -> Operation {
    Operation::new("ready", "Tells whether the bus, correlation and the workers are available")
        .json(200, "The gateway is ready.", component("schemas", "Health"))
        .json(503, "The gateway is not ready.", component("schemas", "Health"))
}
