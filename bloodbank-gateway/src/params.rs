//! Extractors for the parts of the address of a request. A part that cannot be read is a [`Problem`].

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, OriginalUri, Path},
    http::{Uri, request::Parts},
};

use uuid::Uuid;

use crate::{gateway::Gateway, problem::Problem};

/// The one variable segment of a path.
#[derive(Debug)]
pub(crate) struct PathParam(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for PathParam {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_) => Err(Problem::bad_request("the path is not UTF-8; encode it in UTF-8")),
        }
    }
}

/// The parameters in the query. Names that no endpoint knows are ignored.
#[derive(Debug, Default)]
pub(crate) struct QueryParams(Vec<(String, String)>);

impl QueryParams {
    pub(crate) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The value of a parameter that may be given once.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.all(name);
        let first = values.next();
        match values.next() {
            None => Ok(first),
            Some(_) => Err(Problem::bad_request(format!("the query has `{name}` more than once; give it once"))),
        }
    }

    /// Every value of a parameter.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl<S: Sync> FromRequestParts<S> for QueryParams {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(Self::of(&parts.uri))
    }
}

/// The part of an address before the paths of the gateway, as its clients see it: empty, or without a `/` at its end.
#[derive(Debug)]
pub(crate) struct BaseUrl(pub(crate) String);

impl BaseUrl {
    pub(crate) fn of(parts: &Parts, gateway: &Gateway) -> Self {
        if let Some(url) = gateway.public_url() {
            return Self(url.to_owned());
        }
        // An application that nests the gateway takes a part of the path away.
        let original = parts.extensions.get::<OriginalUri>().map(|original| original.path());
        let nested = original.and_then(|path| path.strip_suffix(parts.uri.path())).unwrap_or_default();
        Self(nested.to_owned())
    }
}

impl FromRequestParts<Gateway> for BaseUrl {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Infallible> {
        Ok(Self::of(parts, gateway))
    }
}

/// Reads an event id in a path.
pub(crate) fn parse_event_id(id: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(id).map_err(|_| Problem::bad_request("the event id in the path is not a UUID"))
}
