//! `GET /dead-letters/{queue}`, `POST …/redrive`, `POST …/discard`: the messages that a subscriber gave up.

use axum::{Json, extract::State};
use bloodbank_core::{
    DeadLetters, ErrorKind,
    dead_letter::{DeadLetterDetail, DeadLetterEntry, Filter, InvalidHandle, Mode, SweepReport},
    routing::BindingPattern,
};
use serde_json::{Value, json};

use crate::{
    gateway::Gateway,
    operation::{Operation, component},
    params::{PathParam, QueryParams},
    problem::Problem,
};

/// The number of letters that a request sees, unless it asks for fewer.
const MOST_LETTERS: usize = 100_000;
/// The parameters that select dead letters.
const CONDITIONS: [&str; 8] = ["id", "type", "reason", "error", "since", "before", "readable", "limit"];
/// The number of letters that a request sees with their messages.
const MOST_WHOLE_LETTERS: usize = 1000;

/// Answers with the dead letters of a subscriber's queue that pass the filter in the query.
pub(super) async fn list(
    State(gateway): State<Gateway>,
    PathParam(queue): PathParam,
    params: QueryParams,
) -> Result<Json<Value>, Problem> {
    let detail = if params.flag("whole")? { DeadLetterDetail::Message } else { DeadLetterDetail::Summary };
    let mut filter = filter(&params)?;
    if detail == DeadLetterDetail::Message {
        filter.limit = filter.limit.map(|limit| limit.min(MOST_WHOLE_LETTERS));
    }
    let letters = DeadLetters::of(gateway.bus(), queue).list(&filter).await.map_err(problem)?;
    let letters: Vec<_> = letters.iter().map(|letter| DeadLetterEntry::of(letter, detail)).collect();
    Ok(Json(json!({ "letters": letters })))
}

/// Brings dead letters back to the subscriber that gave them up.
pub(super) async fn redrive(
    State(gateway): State<Gateway>,
    PathParam(queue): PathParam,
    params: QueryParams,
) -> Result<Json<SweepReport>, Problem> {
    let (filter, mode) = sweep(&params)?;
    let report = DeadLetters::of(gateway.bus(), queue).redrive(&filter, mode).await;
    Ok(Json(report.map_err(problem)?.into()))
}

/// Drops dead letters for good.
pub(super) async fn discard(
    State(gateway): State<Gateway>,
    PathParam(queue): PathParam,
    params: QueryParams,
) -> Result<Json<SweepReport>, Problem> {
    let (filter, mode) = sweep(&params)?;
    let report = DeadLetters::of(gateway.bus(), queue).discard(&filter, mode).await;
    Ok(Json(report.map_err(problem)?.into()))
}

fn sweep(params: &QueryParams) -> Result<(Filter, Mode), Problem> {
    let mode = if params.flag("dry_run")? { Mode::DryRun } else { Mode::Apply };
    let filter = filter(params)?;
    // A condition that was forgotten must not mean all.
    if !params.flag("all")? && !CONDITIONS.iter().any(|name| params.all(name).next().is_some()) {
        return Err(Problem::bad_request(
            "the request does not say which dead letters are meant; give a condition such as `id` or `type`, or `all=true`",
        ));
    }
    Ok((filter, mode))
}

fn filter(params: &QueryParams) -> Result<Filter, Problem> {
    fn read<T: std::str::FromStr>(params: &QueryParams, name: &str, what: &str) -> Result<Option<T>, Problem> {
        let text = params.one(name)?;
        let read = text.map(|text| text.parse().map_err(|_| Problem::bad_request(format!("`{name}` is not {what}"))));
        read.transpose()
    }
    // An empty text is contained in every other.
    if let Some(name) = CONDITIONS.iter().find(|name| params.all(name).any(str::is_empty)) {
        return Err(Problem::bad_request(format!("`{name}` is empty; leave it out, or say what it selects")));
    }
    let handles = params.all("id").map(str::parse).collect::<Result<_, _>>();
    let pattern = params.one("type")?.map(BindingPattern::parse_wire).transpose();
    let limit = read(params, "limit", "a number")?.unwrap_or(MOST_LETTERS);
    Ok(Filter {
        handles: handles.map_err(|fault: InvalidHandle| Problem::bad_request(format!("`id` is no handle: {fault}")))?,
        event_type: pattern.map_err(|fault| Problem::bad_request(format!("`type` is not a valid pattern: {fault}")))?,
        reason: params.one("reason")?.map(str::to_owned),
        error: params.one("error")?.map(str::to_owned),
        since: read(params, "since", "a time in the form of RFC 3339")?,
        before: read(params, "before", "a time in the form of RFC 3339")?,
        decodes: read(params, "readable", "`true` or `false`")?,
        limit: Some(limit.min(MOST_LETTERS)),
    })
}

fn problem(error: bloodbank_core::Error) -> Problem {
    match error.kind() {
        ErrorKind::Topology => {
            Problem::not_found("no subscriber has a queue of this name; `bb topology` lists the queues")
        }
        _ => error.into(),
    }
}

pub(super) fn list_operation() -> Operation {
    let whole = json!({
        "name": "whole", "in": "query", "schema": { "type": "boolean" },
        "description": "Whether the answer has the headers and the message of each letter.",
    });
    Operation::new("dead_letters", "Lists the messages that a subscriber gave up, the oldest first")
        .parameters(filter_parameters())
        .parameter(whole)
        .json(200, "The dead letters.", component("schemas", "DeadLetters"))
        .problems([400, 404])
}

pub(super) fn redrive_operation() -> Operation {
    sweep_operation("dead_letters_redrive", "Brings dead letters back to the subscriber that gave them up")
}

pub(super) fn discard_operation() -> Operation {
    sweep_operation("dead_letters_discard", "Drops dead letters for good")
}

fn sweep_operation(id: &str, summary: &str) -> Operation {
    let dry_run = json!({
        "name": "dry_run", "in": "query", "schema": { "type": "boolean" },
        "description": "Whether to change nothing, and only tell what would be done.",
    });
    let all = json!({
        "name": "all", "in": "query", "schema": { "type": "boolean" },
        "description": "Whether all dead letters of the queue are meant; required where nothing else selects some.",
    });
    Operation::new(id, summary)
        .parameters(filter_parameters())
        .parameter(all)
        .parameter(dry_run)
        .json(200, "The result for each letter.", component("schemas", "SweepReport"))
        .problems([400, 404])
}

/// The parameters that select dead letters.
fn filter_parameters() -> Vec<Value> {
    let query = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "query", "description": description, "schema": schema });
    let text = || json!({ "type": "string" });
    let time = || json!({ "type": "string", "format": "date-time" });
    let ids = json!({ "type": "array", "items": { "type": "string" } });
    vec![
        json!({
            "name": "queue", "in": "path", "required": true, "schema": text(),
            "description": "The queue of the subscriber.",
        }),
        query(
            "id",
            "Only the letters with these handles, which are the ids of their events. May be given several times.",
            ids,
        ),
        query("type", "Only event types that match this pattern.", text()),
        query("reason", "Only letters with this reason.", text()),
        query("error", "Only letters whose last error contains this text.", text()),
        query("since", "Only letters whose last attempt failed at this time or later.", time()),
        query("before", "Only letters whose last attempt failed before this time.", time()),
        query(
            "readable",
            "Only letters that this program can decode, or only those that it cannot.",
            json!({ "type": "boolean" }),
        ),
        query(
            "limit",
            "The largest number of letters.",
            json!({ "type": "integer", "minimum": 0, "maximum": MOST_LETTERS }),
        ),
    ]
}
