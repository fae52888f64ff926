//! `GET /metrics`, and what is counted of requests.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, OnceLock, PoisonError, RwLock},
    time::Duration,
};

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use metrics::{Counter, Histogram, counter, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::{auth::Caller, problem::Problem};

const BUCKETS: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// The recorder of this process; `None` where the program has one of its own.
static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Counts for `/metrics` from now on. A program that has a recorder already keeps it, and `/metrics` is not there then.
pub(crate) fn install() {
    let recorder = RECORDER.get_or_init(|| {
        PrometheusBuilder::new().set_buckets(&BUCKETS).and_then(PrometheusBuilder::install_recorder).ok()
    });
    // What is measured waits in memory until somebody asks, or this.
    if let (Some(recorder), Ok(runtime)) = (recorder, tokio::runtime::Handle::try_current()) {
        static KEEPING_UP: OnceLock<()> = OnceLock::new();
        KEEPING_UP.get_or_init(|| {
            runtime.spawn(async move {
                loop {
                    tokio::time::sleep(Duration::from_secs(5)).await;
                    recorder.run_upkeep();
                }
            });
        });
    }
}

/// `GET /metrics`.
pub(crate) async fn metrics(caller: Caller) -> Result<Response, Problem> {
    caller.check_read_all()?;
    let Some(Some(recorder)) = RECORDER.get() else {
        return Err(Problem::not_found("this program exports its metrics elsewhere"));
    };
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorder.render()).into_response())
}

/// What is counted of the requests to a route.
pub(crate) struct Route {
    name: Arc<str>,
    seconds: Histogram,
    answers: RwLock<HashMap<StatusCode, Counter>>,
}

/// The route of a request, not its path: those are without end.
pub(crate) fn route(name: &str) -> Arc<Route> {
    static ROUTES: LazyLock<RwLock<HashMap<Arc<str>, Arc<Route>>>> = LazyLock::new(RwLock::default);
    if let Some(route) = ROUTES.read().unwrap_or_else(PoisonError::into_inner).get(name) {
        return Arc::clone(route);
    }
    let name: Arc<str> = name.into();
    let seconds = histogram!("bloodbank_http_seconds", "route" => Arc::clone(&name));
    let route = Route { name: Arc::clone(&name), seconds, answers: RwLock::default() };
    let mut routes = ROUTES.write().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(routes.entry(name).or_insert_with(|| Arc::new(route)))
}

impl Route {
    pub(crate) fn answered(&self, status: StatusCode, took: Duration) {
        self.seconds.record(took.as_secs_f64());
        if let Some(answers) = self.answers.read().unwrap_or_else(PoisonError::into_inner).get(&status) {
            answers.increment(1);
            return;
        }
        let mut answers = self.answers.write().unwrap_or_else(PoisonError::into_inner);
        let counter = answers.entry(status).or_insert_with(|| {
            let (route, status) = (Arc::clone(&self.name), status.as_u16().to_string());
            counter!("bloodbank_http_requests_total", "route" => route, "status" => status)
        });
        counter.increment(1);
    }
}
