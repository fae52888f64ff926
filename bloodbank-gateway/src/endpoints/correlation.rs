//! `GET /debug/correlation/…`: the causes and effects of an event.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bloodbank_core::correlation::{
    ChainOrder, CorrelationTracker, Direction, Dump, IdPrefix, InvalidIdPrefix, Resolved, Trace,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    gateway::Gateway,
    operation::{Operation, component},
    params::{PathParam, QueryParams, parse_event_id},
    problem::Problem,
};

/// The depth of a chain where the request asks for no other.
const DEFAULT_DEPTH: usize = 100;
/// The depth that a request may ask for.
const MOST_DEPTH: usize = 10_000;

/// The number of events in a graph where the request asks for no other.
const DEFAULT_EVENTS: usize = 1000;
/// The number of events in a graph that a request may ask for.
const MOST_EVENTS: usize = 100_000;

/// Answers with everything that the correlation store knows about an event.
pub(super) async fn dump(
    State(gateway): State<Gateway>,
    PathParam(id): PathParam,
    query: QueryParams,
) -> Result<Json<Dump>, Problem> {
    let (tracker, id) = known(&gateway, &id)?;
    let dump = tracker.dump_in(order(&query)?, id).await?;
    if dump.parents.is_empty() && dump.children.is_empty() && dump.metadata.is_none() {
        return Err(unknown(id));
    }
    Ok(Json(dump))
}

/// Answers with the chain of events that led to an event, or that it led to.
pub(super) async fn chain(
    State(gateway): State<Gateway>,
    PathParam(id): PathParam,
    query: QueryParams,
) -> Result<Json<Value>, Problem> {
    let (tracker, id) = known(&gateway, &id)?;
    let name = query.one("direction")?.unwrap_or("ancestors");
    let direction = match name {
        "ancestors" => Direction::Ancestors,
        "descendants" => Direction::Descendants,
        _ => return Err(Problem::bad_request("`direction` must be `ancestors` or `descendants`")),
    };
    let depth = match query.one("max_depth")? {
        None => DEFAULT_DEPTH,
        Some(text) => text
            .parse()
            .ok()
            .filter(|depth| (1..=MOST_DEPTH).contains(depth))
            .ok_or_else(|| Problem::bad_request(format!("`max_depth` is not a number from 1 to {MOST_DEPTH}")))?,
    };
    let mut chain = tracker.chain_in(order(&query)?, id, direction, depth).await?;
    if chain.events.is_empty() {
        // An event that is known, but has nothing in this direction, is its own chain.
        if tracker.entry(id).await?.is_none() && tracker.children(id).await?.is_empty() {
            return Err(unknown(id));
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

/// Answers with the graph of causes and effects around an event, in several formats.
pub(super) async fn graph(
    State(gateway): State<Gateway>,
    PathParam(id): PathParam,
    query: QueryParams,
) -> Result<Response, Problem> {
    let tracker = tracker(&gateway)?;
    let prefix: IdPrefix = id.parse().map_err(|error: InvalidIdPrefix| Problem::bad_request(error.to_string()))?;
    let id = match tracker.resolve(&prefix).await? {
        Resolved::Unknown => return Err(Problem::not_found(unknown_prefix(&prefix))),
        resolved => resolved.one(&prefix).map_err(Problem::bad_request)?,
    };
    let format = query.one("format")?.unwrap_or("json");
    if !matches!(format, "json" | "mermaid" | "dot" | "text") {
        return Err(Problem::bad_request("`format` must be `json`, `mermaid`, `dot` or `text`"));
    }
    let limit = match query.one("limit")? {
        None => DEFAULT_EVENTS,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MOST_EVENTS).contains(limit))
            .ok_or_else(|| Problem::bad_request(format!("`limit` is not a number from 1 to {MOST_EVENTS}")))?,
    };
    let trace = Trace::load_at_most(tracker, id, limit).await?;
    // An unknown event is alone in its trace, and has no type.
    if trace.events.iter().all(|event| event.event_type.is_none()) && trace.events.len() < 2 {
        return Err(unknown(id));
    }
    Ok(match format {
        "mermaid" => ([(header::CONTENT_TYPE, "text/vnd.mermaid; charset=utf-8")], trace.to_mermaid()).into_response(),
        "dot" => ([(header::CONTENT_TYPE, "text/vnd.graphviz; charset=utf-8")], trace.to_dot()).into_response(),
        "text" => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], trace.to_text()).into_response(),
        _ => Json(trace).into_response(),
    })
}

/// The order of a chain: that of the Python side, unless the request asks for ours.
fn order(query: &QueryParams) -> Result<ChainOrder, Problem> {
    match query.one("order")? {
        None | Some("depth_first") => Ok(ChainOrder::DepthFirst),
        Some("causes_first") => Ok(ChainOrder::CausesFirst),
        Some(_) => Err(Problem::bad_request("`order` must be `depth_first` or `causes_first`")),
    }
}

fn order_parameter() -> Value {
    json!({
        "name": "order", "in": "query",
        "description": "`depth_first`, as the Python side lists them: each event after those that were reached through it. \
                        `causes_first`: causes before effects.",
        "schema": { "enum": ["depth_first", "causes_first"], "default": "depth_first" },
    })
}

fn known<'a>(gateway: &'a Gateway, id: &str) -> Result<(&'a CorrelationTracker, Uuid), Problem> {
    let id = parse_event_id(id)?;
    Ok((tracker(gateway)?, id))
}

fn tracker(gateway: &Gateway) -> Result<&CorrelationTracker, Problem> {
    let tracker = gateway.bus().correlation();
    tracker.ok_or_else(|| Problem::not_found("this gateway records no correlation; its operator can switch it on"))
}

fn unknown_prefix(prefix: &IdPrefix) -> String {
    format!("no event is known whose id begins with `{prefix}`")
}

fn unknown(id: Uuid) -> Problem {
    Problem::not_found(format!("no causes or effects of the event {id} are known"))
}

pub(super) fn operation() -> Operation {
    Operation::new("correlation", "Returns everything that is known about the causes and effects of an event")
        .parameter(component("parameters", "Id"))
        .parameter(order_parameter())
        .json(200, "The causes and effects of the event.", component("schemas", "CorrelationDump"))
        .problems([400, 404])
}

pub(super) fn dump_operation() -> Operation {
    Operation::new("correlation_dump", "Returns the same as `/debug/correlation/{id}`")
        .parameter(component("parameters", "Id"))
        .parameter(order_parameter())
        .json(200, "The causes and effects of the event.", component("schemas", "CorrelationDump"))
        .problems([400, 404])
}

pub(super) fn chain_operation() -> Operation {
    Operation::new("correlation_chain", "Returns the events that led to an event, or that it led to")
        .parameter(component("parameters", "Id"))
        .parameter(json!({ "name": "direction", "in": "query", "schema": { "enum": ["ancestors", "descendants"] } }))
        .parameter(order_parameter())
        .parameter(json!({
            "name": "max_depth", "in": "query",
            "description": "The longest path that is followed: in events with the first one in the order `depth_first`, in \
                            links in the order `causes_first`.",
            "schema": { "type": "integer", "minimum": 1, "maximum": MOST_DEPTH, "default": DEFAULT_DEPTH },
        }))
        .json(200, "The ids of the events.", component("schemas", "CorrelationChain"))
        .problems([400, 404])
}

pub(super) fn graph_operation() -> Operation {
    let text = || json!({ "schema": { "type": "string" } });
    let content = json!({
        "application/json": { "schema": component("schemas", "CorrelationGraph") },
        "text/vnd.mermaid": text(),
        "text/vnd.graphviz": text(),
        "text/plain": text(),
    });
    Operation::new("correlation_graph", "Draws the causes and effects of an event")
        .parameter(json!({
            "name": "id", "in": "path", "required": true,
            "description": "The id of the event, or its first digits.",
            "schema": { "type": "string", "pattern": "^[0-9A-Fa-f]{4}[0-9A-Fa-f-]{0,32}$" },
        }))
        .parameter(json!({ "name": "format", "in": "query", "schema": { "enum": ["json", "mermaid", "dot", "text"] } }))
        .parameter(json!({
            "name": "limit", "in": "query",
            "schema": { "type": "integer", "minimum": 1, "maximum": MOST_EVENTS, "default": DEFAULT_EVENTS },
        }))
        .response(200, json!({ "description": "The graph.", "content": content }))
        .problems([400, 404])
}
