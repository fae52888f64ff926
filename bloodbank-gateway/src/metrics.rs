//! `GET /metrics`, and what is counted of requests.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use metrics::{counter, histogram};
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

/// Counts requests and their time, by the route, not by the path: those are without end.
pub(crate) async fn measure(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none".into(), |path| path.as_str().to_owned());
    let start = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    counter!("bloodbank_http_requests_total", "route" => route.clone(), "status" => status).increment(1);
    histogram!("bloodbank_http_seconds", "route" => route).record(start.elapsed().as_secs_f64());
    response
}
