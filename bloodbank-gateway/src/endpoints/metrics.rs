//! `GET /metrics`.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use bloodbank_probes::render_metrics;
use serde_json::json;

use crate::{operation::Operation, problem::Problem};

/// Answers with the metrics of this process in the text format of Prometheus.
pub(super) async fn metrics() -> Result<Response, Problem> {
    let Some(text) = render_metrics() else {
        return Err(Problem::not_found("this program exports its metrics elsewhere; ask its operator where"));
    };
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

pub(super) fn operation() -> Operation {
    let content = json!({ "text/plain": { "schema": { "type": "string" } } });
    Operation::new("metrics", "Returns metrics in the text format of Prometheus")
        .response(200, json!({ "description": "The metrics.", "content": content }))
        .problems([404])
}
