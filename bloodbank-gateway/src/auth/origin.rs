//! Requests that a browser sends for a page of somebody else.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Uri, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{Gateway, problem::Problem};

/// Refuses requests whose `Origin` is neither this gateway nor one that it was told to trust.
pub(crate) async fn check_origin(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or("null");
        let trusted = gateway.origins().iter().any(|trusted| trusted == origin);
        if !trusted && host(request.headers(), request.uri()).is_none_or(|host| authority(origin) != Some(host)) {
            let detail = "requests from pages of this origin are not taken; add it to the allowed origins";
            return Problem::forbidden(detail).into_response();
        }
    }
    next.run(request).await
}

/// Refuses requests to other names than those of this machine: a page whose name was made to resolve to loopback.
pub(crate) async fn check_host(request: Request, next: Next) -> Response {
    let is_local = host(request.headers(), request.uri()).is_none_or(|host| {
        let name = without_port(host);
        name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]")
    });
    if is_local {
        return next.run(request).await;
    }
    Problem::forbidden("a gateway on loopback without tokens answers only as `localhost`; give it tokens")
        .into_response()
}

fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(header::HOST).map(|host| host.to_str().unwrap_or("?")),
    }
}

fn authority(origin: &str) -> Option<&str> {
    origin.split_once("://").map(|(_, authority)| authority)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_part_of_a_name() {
        assert_eq!(without_port("localhost:8682"), "localhost");
        assert_eq!(without_port("[::1]:8682"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
        assert_eq!(authority("http://evil.example:80"), Some("evil.example:80"));
        assert_eq!(authority("null"), None);
    }
}
