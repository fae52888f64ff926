//! Executes the tools.

use std::fmt::Write as _;

use bloodbank_core::{
    Registry,
    correlation::Trace,
    event::EventKind,
    routing::{self, BindingPattern, overlaps},
    store::{JournalEntry, JournalQuery, Position},
};
use futures_util::TryStreamExt;
use rmcp::{
    ErrorData,
    model::{CallToolResult, ContentBlock, JsonObject},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    agent::Agent,
    arguments::{Arguments, wrong},
    commands::{Progress, command_status, execute_command},
    tools::{MOST_EVENTS, OF_ONE_EVENT, kind_word},
};
use crate::{
    gateway::Gateway,
    problem::Problem,
    publish::{MOST_PARENTS, PublishRequest},
    summary::summary,
};

const KINDS: [EventKind; 3] = [EventKind::Fact, EventKind::Command, EventKind::Failure];

/// Calls a tool. A mistake of the agent is a result that the agent can read; only an unknown tool is an error.
pub(super) async fn call(
    gateway: &Gateway,
    agent: &Agent,
    tool: &str,
    arguments: JsonObject,
    progress: &Progress,
) -> Result<CallToolResult, ErrorData> {
    let arguments = Arguments(arguments);
    let of_one_event = OF_ONE_EVENT.into_iter().find(|(name, _)| *name == tool);
    let result = match (tool, of_one_event) {
        (_, Some((_, key))) => publish_one(gateway, agent, key, arguments).await,
        ("publish_event", _) => publish_any(gateway, agent, arguments).await,
        ("list_events", _) => list_events(arguments),
        ("get_event_schema", _) => get_event_schema(arguments),
        ("trace_event", _) => trace_event(gateway, agent, arguments).await,
        ("execute_command", _) => execute_command(gateway, agent, arguments, progress).await,
        ("command_status", _) => command_status(gateway, agent, arguments, progress).await,
        ("query_events", _) => query_events(gateway, agent, arguments).await,
        _ => {
            return Err(ErrorData::invalid_params(
                format!("no tool is called `{tool}`; `tools/list` lists the tools"),
                None,
            ));
        }
    };
    Ok(match result {
        Ok(value) => CallToolResult::structured(value),
        Err(problem) => CallToolResult::error(vec![ContentBlock::text(sentence(&problem))]),
    })
}

fn sentence(problem: &Problem) -> String {
    let mut text = problem.detail.clone();
    for error in &problem.errors {
        let _ = write!(text, "\nat {:?}: {}", error.pointer, error.detail);
    }
    if problem.omitted_errors > 0 {
        let _ = write!(text, "\nand {} more", problem.omitted_errors);
    }
    if let Some(id) = problem.event_id() {
        let _ = write!(text, "\nthe `event_id` is {id}");
    }
    text
}

/// Makes a request to publish, checked against what agents may publish.
pub(super) fn request(
    gateway: &Gateway,
    agent: &Agent,
    key: String,
    payload: Value,
    event_id: Option<Uuid>,
    causes: Vec<Uuid>,
) -> Result<PublishRequest, Problem> {
    if !gateway.agent_patterns().allow(&key) || !agent.may_publish(&key) {
        return Err(Problem::forbidden(format!("agents may not publish `{key}` here")));
    }
    let limit = gateway.limits().body_bytes;
    if payload.to_string().len() > limit {
        return Err(Problem::too_large(format!(
            "the payload is longer than {limit} bytes; send less, or a reference to the data"
        )));
    }
    Ok(PublishRequest {
        event_id,
        causes,
        source: Some(agent.source()),
        agent_context: Some(Box::new(agent.context())),
        ..PublishRequest::payload(key, payload)
    })
}

async fn publish(gateway: &Gateway, agent: &Agent, request: PublishRequest) -> Result<Value, Problem> {
    let (receipt, _) = request.publish(gateway, &agent.caller).await?;
    Ok(json!({ "event_id": receipt.event_id, "event_type": receipt.event_type, "unrouted": receipt.unrouted }))
}

async fn publish_any(gateway: &Gateway, agent: &Agent, mut arguments: Arguments) -> Result<Value, Problem> {
    let key: String = arguments.required("key")?;
    let payload = arguments.required("payload")?;
    let (event_id, causes) = (arguments.optional("event_id")?, causes(&mut arguments)?);
    arguments.finish()?;
    publish(gateway, agent, request(gateway, agent, key, payload, event_id, causes)?).await
}

async fn publish_one(
    gateway: &Gateway,
    agent: &Agent,
    template: &str,
    mut arguments: Arguments,
) -> Result<Value, Problem> {
    let (event_id, causes) = (arguments.optional("event_id")?, causes(&mut arguments)?);
    let mut words = Vec::new();
    for segment in routing::template_segments(template) {
        words.push(match segment {
            routing::Segment::Literal(word) => word.to_owned(),
            routing::Segment::Placeholder(name) => match arguments.0.get(name) {
                Some(Value::String(word)) => word.clone(),
                _ => arguments.required::<String>(name)?,
            },
        });
    }
    let payload = Value::Object(arguments.0);
    publish(gateway, agent, request(gateway, agent, words.join("."), payload, event_id, causes)?).await
}

pub(super) fn causes(arguments: &mut Arguments) -> Result<Vec<Uuid>, Problem> {
    let causes: Vec<Uuid> = arguments.optional("correlation_ids")?.unwrap_or_default();
    if causes.len() > MOST_PARENTS {
        return Err(Problem::bad_request(format!("`correlation_ids` has more than {MOST_PARENTS} ids; pass fewer")));
    }
    Ok(causes)
}

fn list_events(mut arguments: Arguments) -> Result<Value, Problem> {
    let pattern = pattern(&mut arguments)?;
    let domain: Option<String> = arguments.optional("domain")?;
    let kind: Option<String> = arguments.optional("kind")?;
    arguments.finish()?;
    if kind.as_ref().is_some_and(|kind| !KINDS.iter().any(|known| kind_word(*known) == kind)) {
        return Err(wrong("kind", "is none of `fact`, `command` and `failure`"));
    }
    let events = Registry::global().events().iter().filter(|event| {
        pattern.as_ref().is_none_or(|pattern| overlaps(pattern.as_str(), event.routing_key()))
            && domain.as_ref().is_none_or(|domain| event.domain() == domain)
            && kind.as_ref().is_none_or(|kind| kind_word(event.kind()) == kind)
    });
    Ok(json!({ "events": events.map(|event| summary(event)).collect::<Vec<_>>() }))
}

fn get_event_schema(mut arguments: Arguments) -> Result<Value, Problem> {
    let key: String = arguments.required("key")?;
    arguments.finish()?;
    let registry = Registry::global();
    let event = registry.event(&key).ok_or_else(|| registry.unknown(&key))?;
    Ok(json!({
        "key": event.routing_key(),
        "kind": event.kind(),
        "docs": event.declaration().docs,
        "reply": event.declaration().reply,
        "schema": event.schema(),
        "example": event.example().and_then(|example| example.to_value().ok()),
    }))
}

async fn trace_event(gateway: &Gateway, agent: &Agent, mut arguments: Arguments) -> Result<Value, Problem> {
    agent.caller.check_read_all()?;
    let id: Uuid = arguments.required("event_id")?;
    let format: Option<String> = arguments.optional("format")?;
    arguments.finish()?;
    let tracker = gateway
        .bus()
        .correlation()
        .ok_or_else(|| Problem::not_found("this gateway records no correlation; its operator can switch it on"))?;
    let trace = Trace::load_at_most(tracker, id, 1000).await?;
    Ok(match format.as_deref().unwrap_or("json") {
        "text" => json!({ "drawing": trace.to_text() }),
        "mermaid" => json!({ "drawing": trace.to_mermaid() }),
        "dot" => json!({ "drawing": trace.to_dot() }),
        "json" => json!(trace),
        _ => return Err(Problem::bad_request("`format` must be `json`, `text`, `mermaid` or `dot`")),
    })
}

async fn query_events(gateway: &Gateway, agent: &Agent, mut arguments: Arguments) -> Result<Value, Problem> {
    let mut query = JournalQuery::all();
    query.pattern = pattern(&mut arguments)?;
    (query.since, query.until) = (arguments.optional("since")?, arguments.optional("until")?);
    (query.source, query.text) = (arguments.optional("source")?, arguments.optional("text")?);
    (query.caused_by, query.event_id) = (arguments.optional("caused_by")?, arguments.optional("event_id")?);
    let limit = arguments.optional::<usize>("limit")?.unwrap_or(50).clamp(1, MOST_EVENTS);
    arguments.finish()?;
    let bus = gateway.bus();
    let journal = bus.stores().journal.ok_or_else(|| {
        Problem::not_found("this bus keeps no history; the embedded bus in a file does: set BLOODBANK_EMBEDDED_PATH")
    })?;
    let query = query.exchange(&**bus.exchange());
    let entries: Vec<JournalEntry> = journal.read(query, Position::Last(limit)).try_collect().await?;
    let events = entries.iter().rev().filter_map(|entry| {
        let envelope: Value = serde_json::from_slice(&entry.message.body).ok()?;
        agent.caller.read.allow(envelope["event_type"].as_str()?).then_some(envelope)
    });
    Ok(json!({ "events": events.collect::<Vec<_>>() }))
}

fn pattern(arguments: &mut Arguments) -> Result<Option<BindingPattern>, Problem> {
    let pattern: Option<String> = arguments.optional("pattern")?;
    let pattern = pattern.map(BindingPattern::parse_wire).transpose();
    pattern.map_err(|fault| Problem::bad_request(format!("`pattern` is not valid: {fault}")))
}
