//! The counters of requests.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use metrics::{counter, histogram};

/// Counts the answer to a request by its route, because paths are without number.
pub(crate) fn answered(route: &str, status: StatusCode, took: Duration) {
    let route: Arc<str> = route.into();
    histogram!("bloodbank_http_seconds", "route" => Arc::clone(&route)).record(took.as_secs_f64());
    counter!("bloodbank_http_requests_total", "route" => route, "status" => status.as_str().to_owned()).increment(1);
}
