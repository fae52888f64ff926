//! `GET /history`: the events that were published, page by page.

use axum::{Json, extract::State};
use bloodbank_core::{
    routing::BindingPattern,
    store::{Journal, JournalEntry, JournalQuery, Position},
};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    auth::Caller,
    gateway::Gateway,
    operation::{Operation, component},
    params::QueryParams,
    problem::Problem,
};

/// The number of entries of a page where the request asks for no other.
const DEFAULT_ENTRIES: usize = 100;
/// The number of entries that a request may ask for.
const MOST_ENTRIES: usize = 1000;

/// Where a page stands.
enum Page {
    /// From this position on.
    Forward(Position),
    /// The newest entries, or those before an offset.
    Backward,
}

/// Answers with the entries of the journal that pass the query and that the caller may read, oldest first.
///
/// Without a beginning (`from`, `since`) they are the newest ones, or with `before` those before an offset. `next` and
/// `previous` are what `from` and `before` take for the page beside this one.
pub(super) async fn history(
    State(gateway): State<Gateway>,
    caller: Caller,
    params: QueryParams,
) -> Result<Json<Value>, Problem> {
    let bus = gateway.bus();
    let journal = bus.stores().journal.ok_or_else(|| no_journal(bus.transport().system()))?;
    let query = query(&params)?.exchange(&**bus.exchange());
    let limit = match number(&params, "limit")? {
        None => DEFAULT_ENTRIES,
        Some(limit) => usize::try_from(limit)
            .ok()
            .filter(|limit| (1..=MOST_ENTRIES).contains(limit))
            .ok_or_else(|| Problem::bad_request(format!("`limit` is not a number from 1 to {MOST_ENTRIES}")))?,
    };
    let page = match (number(&params, "from")?, query.since) {
        (Some(from), _) => Page::Forward(Position::Offset(from)),
        (None, Some(since)) if query.before.is_none() => Page::Forward(Position::Time(since)),
        (None, _) => Page::Backward,
    };
    let (entries, is_full) = match page {
        Page::Forward(from) => forward(&*journal, query, from, limit, &caller).await?,
        Page::Backward => backward(&*journal, query, limit, &caller).await?,
    };
    let previous = entries.first().map(|entry| entry.offset);
    let next = entries.last().map(|entry| entry.offset + 1);
    let (next, previous) = match page {
        Page::Forward(_) => (next.filter(|_| is_full), previous),
        Page::Backward => (next, previous.filter(|_| is_full)),
    };
    let (floor, tip) = (journal.floor().await?, journal.tip().await?);
    Ok(Json(json!({ "entries": entries, "next": next, "previous": previous, "floor": floor, "tip": tip })))
}

pub(super) fn no_journal(system: &str) -> Problem {
    let remedy = match system {
        "rabbitmq" => "its operator can switch one on with `bb topology journal enable`",
        _ => "the embedded bus in a file has one: set BLOODBANK_EMBEDDED_PATH",
    };
    Problem::not_found(format!("this bus keeps no journal; {remedy}"))
}

/// The entries from a position on, and whether there may be more.
async fn forward(
    journal: &dyn Journal,
    query: JournalQuery,
    from: Position,
    limit: usize,
    caller: &Caller,
) -> Result<(Vec<JournalEntry>, bool), Problem> {
    let allowed = journal.read(query, from).try_filter(|entry| {
        let is_allowed = caller.read.allow(entry.event_type());
        async move { is_allowed }
    });
    let entries: Vec<_> = allowed.take(limit).try_collect().await?;
    let is_full = entries.len() == limit;
    Ok((entries, is_full))
}

/// The last entries, and whether there may be more before them.
async fn backward(
    journal: &dyn Journal,
    mut query: JournalQuery,
    limit: usize,
    caller: &Caller,
) -> Result<(Vec<JournalEntry>, bool), Problem> {
    let mut found: Vec<JournalEntry> = Vec::new();
    loop {
        let entries: Vec<_> = journal.read(query.clone(), Position::Last(limit)).try_collect().await?;
        let is_full = entries.len() == limit;
        query.before = entries.first().map(|entry| entry.offset);
        let allowed = entries.into_iter().filter(|entry| caller.read.allow(entry.event_type()));
        found = allowed.chain(found).collect();
        if found.len() >= limit || !is_full {
            let is_more = is_full || found.len() > limit;
            found.drain(..found.len().saturating_sub(limit));
            return Ok((found, is_more));
        }
    }
}

fn query(params: &QueryParams) -> Result<JournalQuery, Problem> {
    let mut query = JournalQuery::all().types(params.all("type"));
    if let Some(pattern) = params.one("pattern")? {
        let pattern = BindingPattern::parse_wire(pattern);
        query.pattern =
            Some(pattern.map_err(|fault| Problem::bad_request(format!("`pattern` is not valid: {fault}")))?);
    }
    query.source = params.one("source")?.map(str::to_owned);
    query.text = params.one("text")?.map(str::to_owned);
    (query.since, query.until) = (time(params, "since")?, time(params, "until")?);
    (query.caused_by, query.event_id) = (id(params, "caused_by")?, id(params, "id")?);
    query.before = number(params, "before")?;
    Ok(query)
}

fn time(params: &QueryParams, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
    let time = params.one(name)?.map(str::parse).transpose();
    time.map_err(|_| Problem::bad_request(format!("`{name}` is not a time in the form of RFC 3339")))
}

fn id(params: &QueryParams, name: &str) -> Result<Option<Uuid>, Problem> {
    let id = params.one(name)?.map(Uuid::parse_str).transpose();
    id.map_err(|_| Problem::bad_request(format!("`{name}` is not an event id; send a UUID")))
}

fn number(params: &QueryParams, name: &str) -> Result<Option<u64>, Problem> {
    let number = params.one(name)?.map(str::parse).transpose();
    number.map_err(|_| Problem::bad_request(format!("`{name}` is not a whole number")))
}

pub(super) fn operation() -> Operation {
    let parameter = |name: &str, schema: Value, description: &str| json!({ "name": name, "in": "query", "schema": schema, "description": description });
    let (text, time, id) = (
        || json!({ "type": "string" }),
        || json!({ "type": "string", "format": "date-time" }),
        || json!({ "type": "string", "format": "uuid" }),
    );
    let offset = || json!({ "type": "integer", "minimum": 0 });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": MOST_ENTRIES, "default": DEFAULT_ENTRIES });
    let many = json!({ "type": "array", "items": { "type": "string" } });
    Operation::new("history", "Returns the events that were published, oldest first, page by page")
        .parameter(parameter(
            "pattern",
            text(),
            "Only event types that match: `*` stands for one word, `#` for any number of words.",
        ))
        .parameter(parameter("type", many, "Only this event type. May be given several times."))
        .parameter(parameter("source", text(), "Only events that this program published."))
        .parameter(parameter("since", time(), "Only events of this time or later."))
        .parameter(parameter("until", time(), "Only events before this time."))
        .parameter(parameter("caused_by", id(), "Only events that this one caused directly."))
        .parameter(parameter("id", id(), "Only the event with this id."))
        .parameter(parameter("text", text(), "Only events whose payload contains this text."))
        .parameter(parameter("from", offset(), "Begins at this offset: `next` of the page before."))
        .parameter(parameter("before", offset(), "Ends before this offset: `previous` of the page after."))
        .parameter(parameter("limit", limit, "The most entries of a page."))
        .json(200, "The entries, and the offsets beside the page.", component("schemas", "HistoryPage"))
        .problems([400, 404])
}
