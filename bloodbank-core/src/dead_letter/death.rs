//! Death certificates, which a broker writes into the headers of what it gives up.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::message::{HeaderValue, Headers};

/// One entry of `x-death`: how a message left a queue.
pub(super) struct Death {
    pub(super) reason: Option<String>,
    pub(super) time: Option<DateTime<Utc>>,
    pub(super) exchange: Option<Arc<str>>,
    pub(super) routing_key: Option<Arc<str>>,
}

impl Death {
    /// The latest death, which stands first.
    pub(super) fn latest(headers: &Headers) -> Option<Self> {
        Self::read(deaths(headers)?.first()?)
    }

    /// The first death, which stands last: it names where the message came from.
    pub(super) fn first(headers: &Headers) -> Option<Self> {
        Self::read(deaths(headers)?.last()?)
    }

    fn read(death: &HeaderValue) -> Option<Self> {
        let HeaderValue::Table(death) = death else { return None };
        Some(Self {
            reason: death.text("reason").map(str::to_owned),
            time: match death.get("time") {
                Some(HeaderValue::Timestamp(time)) => Some(*time),
                _ => None,
            },
            exchange: death.text("exchange").map(Into::into),
            routing_key: match death.get("routing-keys") {
                Some(HeaderValue::List(keys)) => keys.first().and_then(HeaderValue::as_text).map(Into::into),
                _ => None,
            },
        })
    }
}

fn deaths(headers: &Headers) -> Option<&[HeaderValue]> {
    match headers.get("x-death") {
        Some(HeaderValue::List(deaths)) => Some(deaths),
        _ => None,
    }
}
