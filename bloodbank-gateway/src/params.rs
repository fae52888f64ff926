//! Extractors for the parts of the address of a request. A part that cannot be read is a [`Problem`].

use std::convert::Infallible;

use axum::{
    extract::{FromRequestParts, OriginalUri, Path},
    http::{Uri, request::Parts},
};
use bloodbank_core::routing::nearest_within;
use uuid::Uuid;

use crate::{gateway::Gateway, problem::Problem};

/// The number of typing mistakes in the name of a parameter for which the right one is proposed.
const MOST_EDITS: usize = 2;
/// The characters of a text from outside that a message repeats.
const LONGEST_REPEATED: usize = 64;

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

/// The parameters in the query.
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

    /// The value of a parameter that is true or false; false where it is not given.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::bad_request(format!("`{name}` must be `true` or `false`"))),
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

/// Refuses a query with a parameter that the endpoint does not declare: what the client meant by it would not be done.
pub(crate) fn check_query(uri: &Uri, known: &[String]) -> Result<(), Problem> {
    let Some(query) = uri.query() else { return Ok(()) };
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        if !known.iter().any(|known| *known == name) {
            return Err(unknown(&clip(&name), known));
        }
    }
    Ok(())
}

fn unknown(name: &str, known: &[String]) -> Problem {
    let nearest = nearest_within(name, known.iter().map(String::as_str), MOST_EDITS);
    let remedy = match (nearest, known) {
        (Some(nearest), _) => format!("did you mean `{nearest}`?"),
        (None, []) => "the endpoint has none; leave it out".to_owned(),
        (None, known) => format!("the endpoint knows `{}`", known.join("`, `")),
    };
    Problem::bad_request(format!("the query has an unknown parameter `{name}`; {remedy}"))
}

/// The beginning of a text from outside, as a message repeats it.
pub(crate) fn clip(text: &str) -> String {
    text.chars().take(LONGEST_REPEATED).collect()
}

/// The part of an address before the paths of the gateway, as its clients see it: empty, or without a `/` at its end.
///
/// An endpoint takes it as an extractor, for the links in its answer.
#[derive(Debug, Clone)]
pub struct BaseUrl(pub(crate) String);

impl BaseUrl {
    /// The text of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn of(parts: &Parts, gateway: &Gateway) -> Self {
        if let Some(url) = gateway.public_url() {
            return Self(url.to_owned());
        }
        // An application that nests the gateway takes a part of the path away.
        let original = parts.extensions.get::<OriginalUri>().map(|original| original.path());
        let nested = original.and_then(|original| match parts.uri.path() {
            // The root of what is nested at `/bus` is `/bus`, without a slash at its end.
            "/" => Some(original.trim_end_matches('/')),
            path => original.strip_suffix(path),
        });
        Self(nested.unwrap_or_default().to_owned())
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
