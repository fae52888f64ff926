//! What subscribers gave up: `GET /dead-letters/{queue}`, `POST …/redrive`, `POST …/discard`.
//!
//! [`Letter`] and [`Swept`] are what they answer, and what the command line shows wherever it has the letters from.

use axum::{
    Json,
    extract::State,
    routing::{MethodRouter, post},
};
use bloodbank_core::{
    DeadLetters, ErrorKind,
    dead_letter::{DeadLetter, Filter, Mode, Report},
    routing::BindingPattern,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Gateway,
    auth::Caller,
    params::{Params, Segment},
    problem::Problem,
};

/// A dead letter, without its message unless that is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Letter {
    /// The event; `None`: the message does not say.
    pub event_id: Option<Uuid>,
    /// Its type; where the message does not say, the key it came with.
    pub event_type: String,
    /// The queue of the subscriber that gave it up.
    pub queue: String,
    /// Why.
    pub reason: String,
    /// What the last attempt said.
    pub error: Option<String>,
    /// How many attempts there were.
    pub attempts: u32,
    /// When the first attempt failed.
    pub first_failed: Option<DateTime<Utc>>,
    /// When the last attempt failed.
    pub last_failed: Option<DateTime<Utc>>,
    /// When it was published, to the second.
    pub published: Option<DateTime<Utc>>,
    /// How often it was brought back before.
    pub redriven: u32,
    /// Whether this program can decode it now.
    pub readable: bool,
    /// Why not.
    pub unreadable_because: Option<String>,
    /// The headers of the message, as pairs of name and value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<Vec<(String, Value)>>,
    /// The envelope; text where it is no JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Value>,
}

impl Letter {
    /// What is known about a letter, without its message.
    #[must_use]
    pub fn summary(letter: &DeadLetter) -> Self {
        let readable = letter.decode().map(|_| ());
        Self {
            event_id: letter.event_id,
            event_type: letter.event_type.clone(),
            queue: letter.queue.to_string(),
            reason: letter.reason.clone(),
            error: letter.error.clone(),
            attempts: letter.attempts,
            first_failed: letter.first_failed,
            last_failed: letter.last_failed,
            published: letter.published,
            redriven: letter.redriven,
            readable: readable.is_ok(),
            unreadable_because: readable.err().map(|error| error.to_string()),
            headers: None,
            message: None,
        }
    }

    /// All of a letter.
    #[must_use]
    pub fn whole(letter: &DeadLetter) -> Self {
        let headers = letter.message.properties.headers.iter();
        let body = &letter.message.body;
        let text = || Value::String(String::from_utf8_lossy(body).into_owned());
        Self {
            headers: Some(headers.map(|(name, value)| (name.to_string(), json!(value))).collect()),
            message: Some(serde_json::from_slice(body).unwrap_or_else(|_| text())),
            ..Self::summary(letter)
        }
    }
}

/// What became of dead letters.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Swept {
    /// Those that were meant, the oldest first.
    pub letters: Vec<SweptLetter>,
    /// Why it ended before the end; what is missing in `letters` is untouched.
    pub interrupted: Option<String>,
}

/// What became of a dead letter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SweptLetter {
    /// The event; `None`: the message does not say.
    pub event_id: Option<Uuid>,
    /// Its type.
    pub event_type: String,
    /// The queue of the subscriber that gave it up.
    pub queue: String,
    /// Why it stays; `None`: it is done, or would be.
    pub error: Option<String>,
}

impl From<Report> for Swept {
    fn from(report: Report) -> Self {
        let letters = report.letters.into_iter().map(|settled| SweptLetter {
            event_id: settled.letter.event_id,
            event_type: settled.letter.event_type,
            queue: settled.letter.queue.to_string(),
            error: settled.result.err().map(|error| error.to_string()),
        });
        Self { letters: letters.collect(), interrupted: report.interrupted.map(|error| error.to_string()) }
    }
}

/// So many letters one request sees, unless it wants fewer.
const MOST: usize = 100_000;
/// So many with their messages.
const MOST_WHOLE: usize = 1000;

/// `GET /dead-letters/{queue}`: the letters of a subscriber's queue that pass the filter in the query.
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    caller: Caller,
    Segment(queue): Segment,
    params: Params,
) -> Result<Json<Value>, Problem> {
    caller.check_read_all()?;
    let is_whole = flag(&params, "whole")?;
    let mut filter = filter(&params)?;
    if is_whole {
        filter.limit = filter.limit.map(|limit| limit.min(MOST_WHOLE));
    }
    let letters = DeadLetters::of(gateway.bus(), queue).list(&filter).await.map_err(problem)?;
    let letter = if is_whole { Letter::whole } else { Letter::summary };
    Ok(Json(json!({ "letters": letters.iter().map(letter).collect::<Vec<_>>() })))
}

/// What is done with dead letters.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sweep {
    /// Back to the subscriber that gave them up.
    Redrive,
    /// Dropped for good.
    Discard,
}

/// `POST /dead-letters/{queue}/redrive` and `…/discard`.
pub(crate) fn sweep(sweep: Sweep) -> MethodRouter<Gateway> {
    post(move |State(gateway): State<Gateway>, caller: Caller, Segment(queue): Segment, params: Params| async move {
        caller.check_read_all()?;
        if !caller.publish.are_everything() {
            return Err(Problem::forbidden(
                "this token may not publish everything; use one whose `publish` patterns have `#`",
            ));
        }
        let mode = if flag(&params, "dry_run")? { Mode::DryRun } else { Mode::Apply };
        let (letters, filter) = (DeadLetters::of(gateway.bus(), queue), filter(&params)?);
        let report = match sweep {
            Sweep::Redrive => letters.redrive(&filter, mode).await,
            Sweep::Discard => letters.discard(&filter, mode).await,
        };
        Ok(Json(Swept::from(report.map_err(problem)?)))
    })
}

fn filter(params: &Params) -> Result<Filter, Problem> {
    fn read<T: std::str::FromStr>(params: &Params, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let text = params.one(name)?;
        let read = text.map(|text| text.parse().map_err(|_| Problem::bad_request(format!("`{name}` is no {what}"))));
        read.transpose()
    }
    let ids = params.all("id").map(Uuid::parse_str).collect::<Result<_, _>>();
    let pattern = params.one("type")?.map(BindingPattern::parse_wire).transpose();
    let limit = read(params, "limit", "number")?.unwrap_or(MOST);
    Ok(Filter {
        event_ids: ids.map_err(|_| Problem::bad_request("`id` is no UUID"))?,
        event_type: pattern.map_err(|fault| Problem::bad_request(format!("`type` is no pattern: {fault}")))?,
        reason: params.one("reason")?.map(str::to_owned),
        error: params.one("error")?.map(str::to_owned),
        since: read(params, "since", "RFC 3339 time")?,
        before: read(params, "before", "RFC 3339 time")?,
        decodes: read(params, "readable", "`true` or `false`")?,
        limit: Some(limit.min(MOST)),
    })
}

fn flag(params: &Params, name: &str) -> Result<bool, Problem> {
    match params.one(name)? {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(Problem::bad_request(format!("`{name}` is neither `true` nor `false`"))),
    }
}

fn problem(error: bloodbank_core::Error) -> Problem {
    match error.kind() {
        ErrorKind::Topology => Problem::not_found("no subscriber has a queue of this name here"),
        _ => error.into(),
    }
}
