//! The layer that finds out who sends a request.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::caller::Caller;
use crate::{Gateway, problem::Problem};

/// Puts the [`Caller`] into the request, or answers 401.
pub(crate) async fn authenticate(State(gateway): State<Gateway>, mut request: Request, next: Next) -> Response {
    let tokens = gateway.tokens();
    let caller = if tokens.is_empty() {
        Some(Caller::anyone())
    } else {
        bearer(request.headers()).and_then(|secret| tokens.find(secret)).cloned()
    };
    let Some(caller) = caller else {
        return Problem::unauthorised().into_response();
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}
