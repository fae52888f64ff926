//! A visit: a request for a page, with who asks.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, Method, header, request::Parts},
};
use bloodbank_core::Bus;
use bloodbank_gateway::{Access, BaseUrl, Caller, Gateway, Session, read_body};
use chrono::{DateTime, Utc};

use crate::{dashboard::Dashboard, refusal::Refusal};

/// The name of the cookie of a session.
pub(crate) const COOKIE: &str = "bloodbank-session";
/// The field of a form that repeats the token against forgery.
pub(crate) const CSRF: &str = "csrf";

/// A request for a page, with who asks.
pub(crate) struct Visit {
    pub(crate) dashboard: Arc<Dashboard>,
    pub(crate) gateway: Gateway,
    /// `None`: they must sign in.
    pub(crate) session: Option<Session>,
    /// What stands before each path of the gateway.
    pub(crate) base: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) now: DateTime<Utc>,
    place: Vec<(String, String)>,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
}

impl Visit {
    /// Reads a request; of a form, its fields too.
    pub(crate) async fn read(dashboard: Arc<Dashboard>, gateway: Gateway, request: Request) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let Ok(base) = BaseUrl::from_request_parts(&mut parts, &gateway).await;
        let place = match RawPathParams::from_request_parts(&mut parts, &()).await {
            Ok(place) => place.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            Err(_) => return Err(Refusal::bad_request("The address is not UTF-8; follow a link of the dashboard.")),
        };
        let form = if parts.method == Method::POST {
            pairs(&read_body(body, gateway.limits().body_bytes).await?)
        } else {
            Vec::new()
        };
        Ok(Self {
            session: gateway.session(cookie(&parts)),
            query: pairs(parts.uri.query().unwrap_or_default().as_bytes()),
            base: base.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
            method: parts.method,
            headers: parts.headers,
            now: Utc::now(),
            dashboard,
            gateway,
            place,
            form,
        })
    }

    pub(crate) fn bus(&self) -> &Bus {
        self.gateway.bus()
    }

    pub(crate) fn caller(&self) -> Option<&Caller> {
        self.session.as_ref().map(|session| &session.caller)
    }

    /// Whether the visitor has this access.
    pub(crate) fn may(&self, access: Access) -> bool {
        self.caller().is_some_and(|caller| access.check(caller).is_ok())
    }

    /// Whether a form has the token of the session, without which a page of another origin may have sent it.
    pub(crate) fn is_own_form(&self) -> bool {
        let sent = self.field(CSRF).unwrap_or_default();
        self.session.as_ref().is_some_and(|session| session.csrf == sent)
    }

    /// The address of a path of the gateway.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The variable segment of the path with this name.
    pub(crate) fn segment(&self, name: &str) -> &str {
        value(&self.place, name).unwrap_or_default()
    }

    /// The first value of a parameter of the query, unless it is empty.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        value(&self.query, name).filter(|text| !text.is_empty())
    }

    /// Every value of a parameter of the query.
    pub(crate) fn queries<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value of a field of the form.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        value(&self.form, name)
    }

    /// Every value of a field of the form.
    pub(crate) fn fields<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.form.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The number of the page of a list, from 1.
    pub(crate) fn page_number(&self) -> usize {
        self.query("page").and_then(|text| text.parse().ok()).unwrap_or(1).max(1)
    }
}

fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

fn cookie(parts: &Parts) -> Option<&str> {
    let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    let mut pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Escapes a text for one segment of a path, or one value of a query.
pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
