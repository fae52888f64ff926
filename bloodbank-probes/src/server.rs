//! A small HTTP server, one for each address, which all apps of a process share.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Weak},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bloodbank_core::{
    Bus, Error, ErrorKind, Result,
    app::{Health, HealthProbe, ProbeGuard, ProbeServer},
};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::info;

use crate::{
    health::{Probe, liveness, readiness},
    metrics::{install_recorder, render_metrics},
};

inventory::submit! {
    ProbeServer { serve: |address, probe| Box::pin(serve(address, probe)) }
}

/// The servers of this process by address.
static SERVERS: LazyLock<Mutex<HashMap<String, Weak<Server>>>> = LazyLock::new(Mutex::default);

/// A server, which ends with the last app that it answers for.
struct Server {
    apps: Mutex<Vec<HealthProbe>>,
    /// Ends the server when it is dropped.
    _running: DropGuard,
}

/// Answers for an app at this address, until the guard is dropped.
async fn serve(address: String, probe: HealthProbe) -> Result<ProbeGuard> {
    let known = SERVERS.lock().get(&address).and_then(Weak::upgrade);
    if let Some(server) = known {
        server.apps.lock().push(probe);
        return Ok(Box::new(server));
    }
    let host_and_port = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.clone() };
    let listener = TcpListener::bind(&host_and_port).await.map_err(|error| {
        let text = format!(
            "the probes cannot be served on {address}; choose another address with BLOODBANK_PROBES or `App::probes`, such as `:9090`"
        );
        Error::new(ErrorKind::Settings, text).with_source(error)
    })?;
    if let Ok(bound) = listener.local_addr() {
        info!(address = %bound, "probes: /healthz, /readyz, /metrics");
    }
    install_recorder();
    let stop = CancellationToken::new();
    let server = Arc::new(Server { apps: Mutex::new(vec![probe]), _running: stop.clone().drop_guard() });
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Apps(Arc::downgrade(&server)));
    SERVERS.lock().insert(address, Arc::downgrade(&server));
    tokio::spawn(async move { axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await });
    Ok(Box::new(server))
}

/// The apps that the server answers for; the server itself ends with them.
#[derive(Clone)]
struct Apps(Weak<Server>);

impl Apps {
    /// The health of all apps together, and a bus of theirs.
    fn look(&self) -> Option<(Bus, Health)> {
        let server = self.0.upgrade()?;
        let apps = server.apps.lock();
        let health = apps.iter().map(HealthProbe::health).reduce(Health::and)?;
        Some((apps.first()?.bus().clone(), health))
    }
}

async fn healthz(State(apps): State<Apps>) -> Response {
    match apps.look() {
        Some((bus, health)) => liveness(&bus, Some(&health)).into_response(),
        None => gone(),
    }
}

async fn readyz(State(apps): State<Apps>) -> Response {
    match apps.look() {
        Some((bus, health)) => {
            let Probe { ok, body } = readiness(&bus, Some(&health)).await;
            Probe { ok, body }.into_response()
        }
        None => gone(),
    }
}

async fn metrics() -> Response {
    match render_metrics() {
        Some(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response(),
        None => (StatusCode::NOT_FOUND, "this program exports its metrics elsewhere; ask its operator where")
            .into_response(),
    }
}

fn gone() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "the app has ended").into_response()
}
