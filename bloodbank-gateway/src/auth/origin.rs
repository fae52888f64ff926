//! Requests that a browser sends for a page of somebody else.

use axum::{
    extract::Request,
    http::{HeaderMap, Uri, header},
};

use crate::{Gateway, problem::Problem};

/// Refuses requests whose `Origin` is neither this gateway nor one that it was told to trust, and, where only this machine
/// can reach it without a token, those to other names than those of this machine: a page whose name was made to resolve
/// to loopback.
pub(crate) fn check_origin(gateway: &Gateway, is_local: bool, request: &Request) -> Result<(), Problem> {
    let host = host(request.headers(), request.uri());
    if is_local && !host.is_none_or(is_this_machine) {
        let detail = "a gateway on loopback without tokens answers only as `localhost`; give it tokens";
        return Err(Problem::forbidden(detail));
    }
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or("null");
        let trusted = gateway.origins().iter().any(|trusted| trusted == origin);
        if !trusted && host.is_none_or(|host| authority(origin) != Some(host)) {
            let detail = "requests from pages of this origin are not taken; add it to the allowed origins";
            return Err(Problem::forbidden(detail));
        }
    }
    Ok(())
}

fn is_this_machine(host: &str) -> bool {
    let name = without_port(host);
    name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]")
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
