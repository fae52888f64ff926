//! `POST /replays`, `GET /replays`, `GET` and `DELETE /replays/{id}`: events of the journal go to one subscriber again.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bloodbank_core::{
    ErrorKind,
    replay::{ReplayProgress, ReplayRequest},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    auth::Caller,
    body::{parse_json, read_body},
    gateway::Gateway,
    operation::{Operation, component},
    params::{PathParam, QueryParams},
    problem::Problem,
    publish::source,
};

/// Starts a replay; with `dry_run=true` counts what it would send instead.
pub(super) async fn start(
    State(gateway): State<Gateway>,
    caller: Caller,
    params: QueryParams,
    body: Body,
) -> Result<Response, Problem> {
    let is_dry_run = match params.one("dry_run")? {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::bad_request("`dry_run` must be `true` or `false`")),
    };
    let limits = gateway.limits();
    let body: Value = parse_json(&read_body(body, limits.body_bytes).await?, limits)?;
    let request: ReplayRequest = serde_json::from_value(body)
        .map_err(|error| Problem::bad_request(format!("the body does not describe a replay: {error}")))?;
    // What cannot begin is said at once.
    let plan = request.on(gateway.bus()).plan().await.map_err(problem)?;
    if is_dry_run {
        return Ok(Json(json!({ "plan": plan })).into_response());
    }
    let source = source(None, gateway.bus().service_name(), &caller);
    let progress = gateway.start_replay(request, caller.name.as_deref(), source).await?;
    Ok((StatusCode::ACCEPTED, Json(progress)).into_response())
}

/// Answers with the replays of this gateway.
pub(super) async fn list(State(gateway): State<Gateway>) -> Json<Value> {
    Json(json!({ "replays": gateway.replays().all() }))
}

/// Answers with how far a replay has come.
pub(super) async fn replay(
    State(gateway): State<Gateway>,
    PathParam(id): PathParam,
) -> Result<Json<ReplayProgress>, Problem> {
    let id = parse(&id)?;
    gateway.replays().get(id).map(Json).ok_or_else(|| unknown(id))
}

/// Cancels a replay and answers with how far it has come.
pub(super) async fn cancel(
    State(gateway): State<Gateway>,
    PathParam(id): PathParam,
) -> Result<Json<ReplayProgress>, Problem> {
    let id = parse(&id)?;
    gateway.replays().cancel(id).await.map(Json).ok_or_else(|| unknown(id))
}

fn parse(id: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(id).map_err(|_| Problem::bad_request("the id of the replay in the path is not a UUID"))
}

fn unknown(id: Uuid) -> Problem {
    Problem::not_found(format!("this gateway knows no replay {id}; `GET /replays` lists those that it does"))
}

fn problem(error: bloodbank_core::Error) -> Problem {
    match error.kind() {
        ErrorKind::Topology => Problem::not_found(error.to_string()),
        ErrorKind::Storage => Problem::bad_request(error.to_string()),
        _ => error.into(),
    }
}

pub(super) fn start_operation() -> Operation {
    let dry_run = json!({
        "name": "dry_run", "in": "query", "schema": { "type": "boolean", "default": false },
        "description": "Counts what would be sent, and sends nothing.",
    });
    Operation::new("start_replay", "Sends events of the journal to the queue of one subscriber again")
        .parameter(dry_run)
        .body(json!({ "application/json": { "schema": component("schemas", "ReplayRequest") } }))
        .json(200, "What would be sent.", component("schemas", "PlannedReplay"))
        .json(202, "The replay, which has begun.", component("schemas", "ReplayProgress"))
        .problems([400, 404, 413])
}

pub(super) fn list_operation() -> Operation {
    Operation::new("replays", "Lists the replays of this gateway").json(
        200,
        "The replays.",
        component("schemas", "Replays"),
    )
}

pub(super) fn replay_operation() -> Operation {
    one("replay", "Returns how far a replay has come")
}

pub(super) fn cancel_operation() -> Operation {
    one("cancel_replay", "Cancels a replay; it can be resumed with the progress that is returned")
}

fn one(id: &str, summary: &str) -> Operation {
    let parameter = json!({
        "name": "id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" },
        "description": "The id of the replay.",
    });
    Operation::new(id, summary)
        .parameter(parameter)
        .json(200, "How far it has come.", component("schemas", "ReplayProgress"))
        .problems([400, 404])
}
