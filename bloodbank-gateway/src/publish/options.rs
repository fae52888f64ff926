//! The options of a request to publish, from its query and its headers.

use axum::http::{HeaderMap, HeaderName};
use bloodbank_core::{event_id, publish::TraceContext};
use uuid::Uuid;

use crate::{
    auth::Caller,
    params::{QueryParams, clip},
    problem::Problem,
};

/// The longest `Idempotency-Key`.
const LONGEST_KEY: usize = 255;
static EVENT_ID: HeaderName = HeaderName::from_static("event-id");
static CORRELATION_IDS: HeaderName = HeaderName::from_static("correlation-ids");
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The number of parents that an event may have.
pub(crate) const MOST_PARENTS: usize = 500;

/// The options of a request to publish: what it says besides the event, in the query or in headers.
#[derive(Debug, Default)]
pub(crate) struct PublishOptions {
    pub(crate) event_id: Option<Uuid>,
    pub(crate) causes: Vec<Uuid>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) trace: Option<TraceContext>,
}

impl PublishOptions {
    pub(crate) fn read(params: &QueryParams, headers: &HeaderMap) -> Result<Self, Problem> {
        let header = |name| text(headers, name);
        let event_id = match params.one("event_id")? {
            Some(id) => Some(id),
            None => header(&EVENT_ID)?,
        };
        let causes = params.all("correlation_ids").chain(header(&CORRELATION_IDS)?);
        let causes: Vec<Uuid> = causes
            .flat_map(|ids| ids.split(','))
            .map(str::trim)
            .filter(|id| !id.is_empty())
            .map(|id| parse("correlation_ids", id))
            .collect::<Result<_, _>>()?;
        if causes.len() > MOST_PARENTS {
            return Err(Problem::bad_request(format!(
                "`correlation_ids` has more than {MOST_PARENTS} ids; send fewer"
            )));
        }
        Ok(Self {
            event_id: event_id.map(|id| parse("event_id", id)).transpose()?,
            causes,
            idempotency_key: header(&IDEMPOTENCY_KEY)?.map(idempotency_key).transpose()?,
            trace: trace(headers),
        })
    }

    /// The id of the event: the one that was given, or one derived from the idempotency key.
    pub(crate) fn event_id(&self, key: &str, caller: &Caller) -> Option<Uuid> {
        self.event_id.or_else(|| {
            let idempotency_key = self.idempotency_key.as_deref()?;
            // Two clients that both count from 1 do not mean the same event.
            let client = caller.name.as_deref().unwrap_or_default();
            Some(event_id::deterministic(key, &format!("client={client}|idempotency_key={idempotency_key}")))
        })
    }
}

/// The W3C trace context. A malformed one counts as none, as the recommendation says.
pub(crate) fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    let parent = headers.get(&TRACEPARENT)?.to_str().ok()?;
    let state = headers.get(&TRACESTATE).and_then(|state| state.to_str().ok());
    is_traceparent(parent).then(|| TraceContext {
        parent: parent.to_owned(),
        state: state.filter(|text| text.len() <= 512).map(str::to_owned),
    })
}

fn is_traceparent(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let lengths = [2, 32, 16, 2];
    let hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    parts.len() == 4
        && parts.iter().zip(lengths).all(|(part, length)| part.len() == length && hex(part))
        && parts[0] != "ff"
        && !zero(parts[1])
        && !zero(parts[2])
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim())),
        Err(_) => Err(Problem::bad_request(format!("the header `{name}` is not ASCII"))),
    }
}

fn parse(name: &str, id: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(id).ok().filter(|id| !id.is_nil()).ok_or_else(|| {
        Problem::bad_request(format!("`{name}` has {:?}, which is not an event id; send a UUID", clip(id)))
    })
}

/// Reads an idempotency key: with quotes, as the draft of the header has it, or without, as most clients write it.
fn idempotency_key(text: &str) -> Result<String, Problem> {
    let key = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Problem::bad_request(format!("`Idempotency-Key` must have 1 to {LONGEST_KEY} characters")));
    }
    Ok(key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_traceparent_counts() {
        assert!(is_traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }
}
