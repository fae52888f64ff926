//! The components for what the endpoints answer.

use serde_json::{Map, Value, json};

use crate::schemas::{self, reference};

/// The schemas of answers by name.
pub(super) fn answers() -> Map<String, Value> {
    let all = [
        ("Published", published()),
        ("PublishedAsPython", published_as_python()),
        ("CommandState", command_state()),
        ("Health", health()),
        ("QueueStatus", queue_status()),
        ("Queues", list("The queues of the bus.", "queues", "QueueStatus")),
        ("DeadLetter", dead_letter()),
        ("DeadLetters", list("Dead letters, the oldest first.", "letters", "DeadLetter")),
        ("SweptDeadLetter", swept_dead_letter()),
        ("SweepReport", sweep_report()),
        ("MalformedEntry", malformed_entry()),
        ("CorrelationDump", correlation_dump()),
        ("CorrelationChain", correlation_chain()),
        ("TraceEvent", trace_event()),
        ("CorrelationGraph", correlation_graph()),
        ("HistoryEntry", history_entry()),
        ("HistoryPage", history_page()),
        ("ReplayQuery", replay_query()),
        ("ReplayRequest", replay_request()),
        ("ReplayProgress", replay_progress()),
        ("ReplayPlan", replay_plan()),
        ("PlannedReplay", object("What a replay would send.", json!({ "plan": reference("ReplayPlan") }))),
        ("Replays", list("The replays of this gateway, the oldest first.", "replays", "ReplayProgress")),
        ("Domain", domain()),
        ("Domains", list("The domains of events.", "domains", "Domain")),
        ("EventSummary", event_summary()),
        ("EventSummaries", list("The registered events.", "events", "EventSummary")),
        ("EventDetails", event_details()),
    ];
    all.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

/// An object whose fields are all there.
fn object(description: &str, properties: Value) -> Value {
    let required: Vec<_> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    json!({ "type": "object", "description": description, "required": required, "properties": properties })
}

fn list(description: &str, field: &str, item: &str) -> Value {
    object(description, json!({ field: { "type": "array", "items": reference(item) } }))
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn text_or_null(description: &str) -> Value {
    json!({ "type": ["string", "null"], "description": description })
}

fn id() -> Value {
    json!({ "type": "string", "format": "uuid" })
}

fn ids(description: &str) -> Value {
    json!({ "type": "array", "items": id(), "description": description })
}

fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn time_or_null() -> Value {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

fn count_or_null(description: &str) -> Value {
    json!({ "type": ["integer", "null"], "minimum": 0, "description": description })
}

fn flag(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

/// Any object.
fn map(description: &str) -> Value {
    json!({ "type": "object", "additionalProperties": true, "description": description })
}

fn malformed() -> Value {
    json!({ "type": "array", "items": reference("MalformedEntry") })
}

fn published() -> Value {
    let properties = json!({
        "status": { "type": "string", "enum": ["published"] },
        "event_id": id(),
        "event_type": text(),
        "unrouted": {
            "type": ["boolean", "null"],
            "description": "Whether no queue received the event, because nobody subscribes to its key yet; null: nobody can tell.",
        },
    });
    object("The event is on the bus.", properties)
}

fn published_as_python() -> Value {
    let status = json!({ "type": "string", "enum": ["published"] });
    object("The event is on the bus, as the Python side says it.", json!({ "status": status, "event_id": id() }))
}

fn command_state() -> Value {
    let answer =
        |description: &str| json!({ "anyOf": [reference("Envelope"), { "type": "null" }], "description": description });
    let properties = json!({
        "event_id": id(),
        "event_type": text_or_null("The routing key of the command."),
        "status": { "type": "string", "enum": ["accepted", "running", "succeeded", "failed"] },
        "failures": count("The number of failed attempts."),
        "reply": answer("The reply, where the command succeeded."),
        "failure": answer("The failure event, where the command failed."),
    });
    object("The state of a command.", properties)
}

fn health() -> Value {
    json!({
        "type": "object",
        "description": "The health of the gateway, with the parts of it that were asked.",
        "required": ["status", "ok", "service", "version"],
        "properties": {
            "status": text(), "ok": { "type": "boolean" }, "service": text(), "version": text(),
            "bus": map("The state of the bus."),
            "correlation": map("The state of the correlation store."),
            "workers": map("The state of the workers of this process."),
        },
    })
}

fn queue_status() -> Value {
    let rate = |description: &str| json!({ "type": ["number", "null"], "description": description });
    let properties = json!({
        "name": text(),
        "waiting": count("The number of messages that wait."),
        "unsettled": count_or_null("The number of messages that are delivered and not settled, where it can be seen."),
        "consumers": count("The number of consumers."),
        "oldest": time_or_null(),
        "arrivals": rate("The number of messages a second that come in, where it is measured."),
        "acknowledgements": rate("The number of messages a second that are acknowledged, where it is measured."),
    });
    object("The state of a queue.", properties)
}

fn dead_letter() -> Value {
    let mut letter = object(
        "A message that a subscriber gave up.",
        json!({
            "handle": { "type": "string", "description": "By it the dead letter is shown, redriven or discarded." },
            "event_id": { "type": ["string", "null"], "format": "uuid" },
            "event_type": text(),
            "queue": { "type": "string", "description": "The queue of the subscriber." },
            "exchange": text(),
            "routing_key": text(),
            "reason": { "type": "string", "description": "The reason why the event was given up, in one word." },
            "error": text_or_null("The error of the last attempt."),
            "attempts": count("The number of attempts."),
            "first_failed": time_or_null(),
            "last_failed": time_or_null(),
            "published": time_or_null(),
            "redriven": count("The number of times the event was redriven before."),
            "readable": flag("Whether this program can decode the event now."),
            "unreadable_because": text_or_null("The reason why it cannot."),
        }),
    );
    // They are there with `whole=true`.
    letter["properties"]["properties"] = map("The other properties of the message.");
    letter["properties"]["headers"] = map("The headers of the message.");
    letter["properties"]["message"] =
        json!({ "description": "The body: JSON, or text, or `{\"bytes\": …}` in hexadecimal digits." });
    letter
}

fn swept_dead_letter() -> Value {
    let properties = json!({
        "handle": text(),
        "event_id": { "type": ["string", "null"], "format": "uuid" },
        "event_type": text(),
        "queue": text(),
        "error": text_or_null("The reason why the dead letter is still there."),
    });
    object("The result for one dead letter.", properties)
}

fn sweep_report() -> Value {
    let properties = json!({
        "letters": { "type": "array", "items": reference("SweptDeadLetter") },
        "interrupted": text_or_null("The error that ended the request early; other dead letters are untouched."),
    });
    object("The result of a redrive or a discard.", properties)
}

fn malformed_entry() -> Value {
    object(
        "A malformed value that another program wrote.",
        json!({ "event_id": id(), "key": text(), "problem": text() }),
    )
}

fn correlation_dump() -> Value {
    let properties = json!({
        "event_id": id(),
        "parents": ids("The direct causes of the event."),
        "children": ids("The direct effects of the event."),
        "ancestors": ids("The causes of the event, causes first."),
        "descendants": ids("The effects of the event, causes first."),
        "metadata": { "type": ["object", "null"], "additionalProperties": true },
        "created_at": time_or_null(),
        "malformed": malformed(),
        "may_be_incomplete": flag("Whether links of the event were not recorded."),
    });
    object("Everything that is known about the causes and effects of an event.", properties)
}

fn correlation_chain() -> Value {
    let properties = json!({
        "event_id": id(),
        "direction": { "type": "string", "enum": ["ancestors", "descendants"] },
        "count": count("The number of events."),
        "chain": ids("The events, causes first."),
        "truncated": flag("Whether the chain goes on beyond `max_depth`."),
        "malformed": malformed(),
    });
    object("The events that led to an event, or that it led to.", properties)
}

fn trace_event() -> Value {
    let properties = json!({
        "event_id": id(),
        "event_type": text_or_null("The routing key of the event, where it is known."),
        "app": text_or_null("The program that published the event."),
        "time": time_or_null(),
        "parents": ids("The direct causes of the event."),
        "children": ids("The direct effects of the event."),
        "metadata": map("The metadata from the publisher."),
    });
    object("An event in a graph.", properties)
}

fn correlation_graph() -> Value {
    let properties = json!({
        "around": id(),
        "events": { "type": "array", "items": reference("TraceEvent") },
        "truncated": flag("Whether there is more than `limit`."),
        "may_be_incomplete": flag("Whether links of these events were not recorded."),
        "malformed": malformed(),
    });
    object("The causes and effects around an event, causes first.", properties)
}

fn history_entry() -> Value {
    let properties = json!({
        "offset": count("The position in the journal."),
        "published_at": time(),
        "exchange": text(),
        "routing_key": text(),
        "properties": map("The properties of the message."),
        "body": { "description": "The body: JSON, or text, or `{\"bytes\": …}` in hexadecimal digits." },
    });
    object("A published message.", properties)
}

fn history_page() -> Value {
    let properties = json!({
        "entries": { "type": "array", "items": reference("HistoryEntry") },
        "next": count_or_null("`from` of the next page; null: there is none."),
        "previous": count_or_null("`before` of the previous page; null: there is none."),
        "floor": count_or_null("The offset of the oldest entry of the journal."),
        "tip": count_or_null("The offset of the newest entry of the journal."),
    });
    object("A page of the journal, oldest first.", properties)
}

fn replay_query() -> Value {
    json!({
        "type": "object",
        "description": "Which events; the conditions of `/history`.",
        "properties": {
            "pattern": text(), "types": { "type": "array", "items": text() }, "source": text(), "since": time(),
            "until": time(), "before": { "type": "integer" }, "caused_by": id(), "event_id": id(), "text": text(),
        },
    })
}

fn replay_request() -> Value {
    json!({
        "type": "object",
        "description": "A replay to start.",
        "required": ["queue"],
        "properties": {
            "queue": { "type": "string", "description": "The queue of the subscriber." },
            "query": reference("ReplayQuery"),
            "from": { "description": "Where to begin: `start`, `{\"offset\": 17}` or `{\"time\": …}`." },
            "rate": { "type": ["integer", "null"], "minimum": 1, "description": "The most events per second." },
            "progress": reference("ReplayProgress"),
        },
    })
}

fn replay_progress() -> Value {
    let properties = json!({
        "id": id(),
        "queue": { "type": "string", "description": "The queue of the subscriber." },
        "state": { "type": "string", "enum": ["running", "done", "cancelled", "failed"] },
        "sent": count("The number of events that are confirmed."),
        "first": count_or_null("The offset of the first event, once it is known."),
        "next": count_or_null("The offset behind the last confirmed event: where to go on."),
        "end": count_or_null("The offset of the newest event when the replay began."),
        "trouble": text_or_null("What holds the replay up at the moment, or ended it."),
    });
    object("How far a replay has come.", properties)
}

fn replay_plan() -> Value {
    let types = json!({
        "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 },
        "description": "The number of events of each type.",
    });
    let range = json!({
        "type": ["array", "null"], "items": { "type": "integer", "minimum": 0 }, "minItems": 2, "maxItems": 2,
        "description": "The offsets of the first and the last of them; null: there are none.",
    });
    let properties = json!({ "events": count("The number of events."), "types": types, "range": range });
    object("How many events a replay would send.", properties)
}

fn domain() -> Value {
    let keys = json!({ "type": "array", "items": text(), "description": "The routing keys of its events." });
    object("A domain.", json!({ "domain": text(), "events": keys }))
}

fn event_summary() -> Value {
    let properties = json!({
        "key": { "type": "string", "description": "The routing key." },
        "kind": { "type": "string", "enum": ["fact", "command", "failure"] },
        "domain": text(),
        "name": { "type": "string", "description": "The name of the type." },
        "description": text(),
        "reply": text_or_null("The routing key of the reply to a command."),
        "id_fields": { "type": "array", "items": text(), "description": "The fields that make the id of the event." },
        "cause_fields": { "type": "array", "items": text(), "description": "The fields that name a cause of the event by its id." },
        "supersedes": text_or_null("The routing key of the older version of the event."),
        "external": flag("Whether other programs publish the event."),
        "crate": text(),
        "crate_version": text(),
    });
    object("A registered event.", properties)
}

fn event_details() -> Value {
    let mut details = event_summary();
    details["description"] = "A registered event with its schema.".into();
    for (name, schema) in [
        ("docs", text()),
        ("schema", map("The JSON Schema of the payload.")),
        ("example", json!({ "description": "An example of the payload; null: there is none." })),
    ] {
        details["properties"][name] = schema;
        details["required"].as_array_mut().into_iter().for_each(|required| required.push(name.into()));
    }
    details
}

/// The envelope of any event, and what it consists of.
pub(super) fn envelopes() -> [(&'static str, Value); 3] {
    [("Envelope", schemas::envelope()), ("Source", schemas::source()), ("CloudEvent", schemas::cloud_event())]
}
