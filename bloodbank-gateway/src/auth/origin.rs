//! Protection against pages of other sites, in whose name a browser sends requests.

use axum::{
    extract::Request,
    http::{HeaderMap, Uri, header},
};

use crate::problem::Problem;

/// Refuses a request whose `Origin` is neither this gateway nor a trusted one.
///
/// A local gateway, which needs no token, also refuses a request to a host name other than those of this machine: the page
/// of a site whose name was made to resolve to loopback (DNS rebinding).
pub(crate) fn check_origin(trusted: &[String], is_local: bool, request: &Request) -> Result<(), Problem> {
    if request.headers().get_all(header::HOST).iter().count() > 1 {
        return Err(Problem::bad_request("the request has more than one `Host`; send one"));
    }
    let host = host(request.headers(), request.uri());
    if is_local && !host.is_none_or(is_this_machine) {
        let detail = "a gateway on loopback without tokens answers only requests to `localhost`; give it tokens";
        return Err(Problem::forbidden(detail));
    }
    if let Some(origin) = request.headers().get(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or("null");
        let is_trusted = trusted.iter().any(|trusted| trusted == origin);
        if !is_trusted && host.is_none_or(|host| authority(origin) != Some(host)) {
            let detail =
                "requests from pages of this origin are refused; add the origin to the allowed ones of the gateway";
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
