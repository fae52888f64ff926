//! Not more requests at a time than the gateway can work on, and none for ever.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::Semaphore;

use crate::{Gateway, problem::Problem};

/// Refuses what is over the limit at once, rather than letting it wait for an answer that comes too late.
pub(crate) async fn shed(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let Ok(permit) = Arc::clone(gateway.permits()).try_acquire_owned() else {
        return Problem::busy().into_response();
    };
    let response = tokio::time::timeout(gateway.limits().request_time, next.run(request)).await;
    drop(permit);
    response.unwrap_or_else(|_| {
        let status = axum::http::StatusCode::REQUEST_TIMEOUT;
        let detail = "the request took too long; send its body faster";
        Problem::new(status, "timeout", "The request took too long", detail).into_response()
    })
}

/// So many requests.
pub(crate) fn permits(count: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(count.min(Semaphore::MAX_PERMITS)))
}
