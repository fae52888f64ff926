//! Signing in with a token of the gateway, and signing out.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use maud::html;

use crate::{
    html::plain_page,
    refusal::Refusal,
    visit::{COOKIE, Visit},
};

/// The seconds for which a browser keeps the cookie: no longer than it is good for.
const LIFETIME: u32 = 12 * 60 * 60;

pub(crate) async fn page(visit: Visit) -> Result<Response, Refusal> {
    if visit.session.is_some() {
        return Ok(Redirect::to(&destination(&visit, visit.query("next"))).into_response());
    }
    Ok(form(&visit, visit.query("next"), None).into_response())
}

/// Signs somebody in who knows the secret of a token.
pub(crate) async fn enter(visit: Visit) -> Result<Response, Refusal> {
    let next = visit.field("next");
    if !visit.dashboard.may_try() {
        return Err(Refusal::too_many(
            "There were too many wrong tokens within a minute. Wait a minute, and try again.",
        ));
    }
    let Some(cookie) = visit.gateway.sign_in(visit.field("token").unwrap_or_default().trim()) else {
        visit.dashboard.count_wrong_token();
        let fault = "The gateway has no such token. Check it for missing characters, or ask whoever runs the gateway.";
        return Ok((StatusCode::UNAUTHORIZED, form(&visit, next, Some(fault))).into_response());
    };
    Ok((set_cookie(&visit, &cookie, LIFETIME)?, Redirect::to(&destination(&visit, next))).into_response())
}

pub(crate) async fn leave(visit: Visit) -> Result<Response, Refusal> {
    let page = if visit.gateway.needs_sign_in() { "/dashboard/sign-in" } else { "/dashboard" };
    Ok((set_cookie(&visit, "", 0)?, Redirect::to(&visit.link(page))).into_response())
}

fn form(visit: &Visit, next: Option<&str>, fault: Option<&str>) -> Response {
    let body = html! {
        form.card.sign-in method="post" action=(visit.link("/dashboard/sign-in")) {
            h1 { "Sign in" }
            p.muted { "This gateway asks for a token. What you see and may do follows from its patterns." }
            @if let Some(fault) = fault {
                p.note.bad #fault role="alert" { (fault) }
            }
            input type="hidden" name="next" value=[next];
            label for="token" { "Token" }
            input #token type="password" name="token" required autofocus autocomplete="current-password"
                aria-invalid=[fault.map(|_| "true")] aria-describedby=[fault.map(|_| "fault")];
            button.primary type="submit" { "Sign in" }
        }
    };
    plain_page(visit, "Sign in", &body)
}

/// Where somebody goes who has signed in: to a page of this dashboard, and nowhere else.
fn destination(visit: &Visit, next: Option<&str>) -> String {
    let home = visit.link("/dashboard");
    let is_here = |next: &str| next.strip_prefix(&home).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_page = |next: &str| is_here(next) || ["/docs", "/asyncapi"].iter().any(|path| next == visit.link(path));
    next.filter(|next| is_page(next)).map_or(home.clone(), str::to_owned)
}

fn set_cookie(visit: &Visit, value: &str, seconds: u32) -> Result<HeaderMap, Refusal> {
    // A browser tells with every form where the page came from, also behind a proxy that speaks HTTPS for the gateway.
    let is_https = visit.headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let secure = if is_https { "; Secure" } else { "" };
    let path = if visit.base.starts_with('/') { visit.base.as_str() } else { "/" };
    let text = format!("{COOKIE}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    let cookie = HeaderValue::try_from(text).map_err(|_| Refusal::bad_request("The address cannot have a cookie."))?;
    Ok(HeaderMap::from_iter([(header::SET_COOKIE, cookie)]))
}
