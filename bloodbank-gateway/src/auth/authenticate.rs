//! Who sends a request.

use std::sync::LazyLock;

use axum::http::{HeaderMap, header};

use super::caller::Caller;
use crate::{Gateway, problem::Problem};

/// The [`Caller`], or a 401.
pub(crate) fn authenticate(gateway: &Gateway, headers: &HeaderMap) -> Result<Caller, Problem> {
    static ANYONE: LazyLock<Caller> = LazyLock::new(Caller::anyone);
    let tokens = gateway.tokens();
    let caller = if tokens.is_empty() {
        &*ANYONE
    } else {
        bearer(headers).and_then(|secret| tokens.find(secret)).ok_or_else(Problem::unauthorised)?
    };
    Ok(caller.clone())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}
