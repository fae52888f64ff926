//! What caused what: `GET /debug/correlation/…`.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bloodbank_core::correlation::{CorrelationTracker, Direction, Dump, Trace};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Gateway,
    auth::Caller,
    params::{Params, Segment},
    problem::Problem,
};

/// How far a chain goes unless it is asked for less.
const DEPTH: usize = 100;

/// `GET /debug/correlation/{id}` and `…/dump`: everything the store knows about an event.
pub(crate) async fn dump(
    State(gateway): State<Gateway>,
    caller: Caller,
    Segment(id): Segment,
) -> Result<Json<Dump>, Problem> {
    caller.check_read_all()?;
    let (tracker, id) = known(&gateway, &id)?;
    let dump = tracker.dump(id).await?;
    if dump.parents.is_empty() && dump.children.is_empty() && dump.metadata.is_none() {
        return Err(nothing(id));
    }
    Ok(Json(dump))
}

/// `GET /debug/correlation/{id}/chain?direction=ancestors|descendants`.
pub(crate) async fn chain(
    State(gateway): State<Gateway>,
    caller: Caller,
    Segment(id): Segment,
    query: Params,
) -> Result<Json<Value>, Problem> {
    caller.check_read_all()?;
    let (tracker, id) = known(&gateway, &id)?;
    let name = query.one("direction")?.unwrap_or("ancestors");
    let direction = match name {
        "ancestors" => Direction::Ancestors,
        "descendants" => Direction::Descendants,
        _ => return Err(Problem::bad_request("`direction` is neither `ancestors` nor `descendants`")),
    };
    let depth = match query.one("max_depth")? {
        None => DEPTH,
        Some(text) => text
            .parse()
            .ok()
            .filter(|depth| (1..=10_000).contains(depth))
            .ok_or_else(|| Problem::bad_request("`max_depth` is no number from 1 to 10000"))?,
    };
    let mut chain = tracker.chain(id, direction, depth).await?;
    if chain.events.is_empty() {
        // Nothing in this direction: an event that is known is its own chain.
        if tracker.entry(id).await?.is_none() && tracker.children(id).await?.is_empty() {
            return Err(nothing(id));
        }
        chain.events.push(id);
    }
    Ok(Json(json!({
        "event_id": id,
        "direction": name,
        "count": chain.events.len(),
        "chain": chain.events,
        "truncated": chain.truncated,
        "malformed": chain.malformed,
    })))
}

/// `GET /debug/correlation/{id}/graph?format=mermaid|dot|json`.
pub(crate) async fn graph(
    State(gateway): State<Gateway>,
    caller: Caller,
    Segment(id): Segment,
    query: Params,
) -> Result<Response, Problem> {
    caller.check_read_all()?;
    let (tracker, id) = known(&gateway, &id)?;
    let format = query.one("format")?.unwrap_or("json");
    if !matches!(format, "json" | "mermaid" | "dot" | "text") {
        return Err(Problem::bad_request("`format` is none of `json`, `mermaid`, `dot`, `text`"));
    }
    let trace = Trace::load(tracker, id).await?;
    // An event that nothing is known about is alone in its trace, without a type.
    if trace.events.iter().all(|event| event.event_type.is_none()) && trace.events.len() < 2 {
        return Err(nothing(id));
    }
    Ok(match format {
        "mermaid" => ([(header::CONTENT_TYPE, "text/vnd.mermaid; charset=utf-8")], trace.to_mermaid()).into_response(),
        "dot" => ([(header::CONTENT_TYPE, "text/vnd.graphviz; charset=utf-8")], trace.to_dot()).into_response(),
        "text" => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], trace.to_text()).into_response(),
        _ => Json(trace).into_response(),
    })
}

fn known<'a>(gateway: &'a Gateway, id: &str) -> Result<(&'a CorrelationTracker, Uuid), Problem> {
    let id = parse_id(id)?;
    let tracker = gateway.bus().correlation().ok_or_else(|| Problem::not_found("correlation is switched off here"))?;
    Ok((tracker, id))
}

/// An event id in a path.
pub(crate) fn parse_id(id: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(id).map_err(|_| Problem::bad_request("the event id is no UUID"))
}

fn nothing(id: Uuid) -> Problem {
    Problem::not_found(format!("nothing is known about what caused {id} or what it caused"))
}
