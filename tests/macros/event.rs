//! What `#[derive(Event)]` and `#[derive(RoutingSegment)]` expand to, as the registry and the traits show it.

use bloodbank::{EventKind, FailureEvent, Registry, RoutingSegment as _, event::IdValue, prelude::*};
use uuid::Uuid;

/// An order was placed.
///
/// By a customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(
    routing_key = "orders.order.placed",
    id(order_id, line),
    example = Self { order_id: "o-1".into(), line: Some(2), express: true, total_cents: 4200 }
)]
struct OrderPlaced {
    order_id: String,
    line: Option<u16>,
    express: bool,
    total_cents: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "orders.order.failed", failure)]
struct OrderFailed {
    failed_stage: String,
    error_message: String,
    error_code: Option<String>,
    is_retryable: bool,
    retry_count: u32,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema, RoutingSegment)]
#[serde(rename_all = "snake_case")]
enum Action {
    Created,
    ReOpened,
    #[segment("gone")]
    Removed,
    #[serde(rename = "sent")]
    Shipped,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "artifact.{action}.{shelf}.{type}", domain = "artifact/store", external, id(r#type, action))]
struct Artifact {
    action: Action,
    shelf: u8,
    r#type: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "agent.thread.prompt", command, reply = Answer, domain = "agent/thread")]
struct Prompt {
    text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "agent.thread.stop", command)]
struct Stop {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "agent.thread.rating", caused_by(r#type, answer, note))]
struct Rating {
    answer: Uuid,
    r#type: Option<Uuid>,
    note: Option<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "agent.thread.response")]
struct Answer {
    text: String,
}

fn placed() -> OrderPlaced {
    OrderPlaced::example().expect("it is declared")
}

/// Where a line of this file begins like that, from 1.
fn line_of(start: &str) -> u32 {
    let before = include_str!("event.rs").lines().take_while(|line| !line.starts_with(start));
    u32::try_from(before.count()).expect("a short file") + 1
}

#[test]
fn a_declaration_is_in_the_registry() {
    let descriptor = Registry::global().event("orders.order.placed").unwrap();
    let declaration = descriptor.declaration();
    assert_eq!(declaration.kind, EventKind::Fact);
    assert_eq!(declaration.domain, "orders");
    assert_eq!(declaration.name, "OrderPlaced");
    assert_eq!(declaration.docs, "An order was placed.\n\nBy a customer.");
    assert_eq!(declaration.id_fields, ["line", "order_id"]);
    assert!(!declaration.external && !declaration.validated && declaration.supersedes.is_none());
    assert_eq!(declaration.location.crate_name, "bloodbank");
    assert_eq!(declaration.location.file, file!());
    assert_eq!(declaration.location.line, line_of("struct OrderPlaced"));
    assert_eq!(descriptor.type_path(), "macros::event::OrderPlaced");
    assert!(Registry::global().event_of::<OrderPlaced>().is_some());
    assert!(Registry::global().check().faults.is_empty());
}

#[test]
fn the_registry_lists_domains_and_commands() {
    // The other files of this program declare events too.
    let domains: Vec<_> = Registry::global().domains().collect();
    assert!(domains.windows(2).all(|pair| pair[0] < pair[1]), "in order, and each once: {domains:?}");
    for domain in ["agent", "agent/thread", "artifact/store", "orders"] {
        assert!(domains.contains(&domain), "{domain}: {domains:?}");
    }
    let of_agents = Registry::global().commands().filter(|command| command.routing_key().starts_with("agent."));
    let commands: Vec<_> = of_agents.map(|command| (command.routing_key(), command.declaration().reply)).collect();
    assert_eq!(commands, [("agent.thread.prompt", Some("agent.thread.response")), ("agent.thread.stop", None)]);
}

#[test]
fn an_example_is_an_event() {
    let example = Registry::global().event("orders.order.placed").unwrap().example().unwrap();
    assert_eq!(example.to_value().unwrap()["total_cents"], 4200);
    assert!(Registry::global().event("orders.order.failed").unwrap().example().is_none());
}

#[test]
fn ids_come_from_the_named_fields() {
    assert_eq!(placed().unique_key().as_deref(), Some("line=2|order_id=o-1"));
    let without_line = OrderPlaced { line: None, ..placed() };
    assert_eq!(without_line.unique_key().as_deref(), Some("order_id=o-1"));
    assert_eq!(Answer { text: String::new() }.unique_key(), None);
}

#[test]
fn causes_come_from_the_named_fields() {
    let [answer, kind] = [1, 2].map(Uuid::from_u128);
    let rating = Rating { answer, r#type: Some(kind), note: Some("because of no event".into()) };
    assert_eq!(rating.parents(), [kind, answer], "in the order in which they are declared");
    assert_eq!(Rating { answer: Uuid::nil(), r#type: None, note: Some(kind.to_string()) }.parents(), [kind]);
    assert!(placed().parents().is_empty());
    assert_eq!(Rating::DECLARATION.cause_fields, ["answer", "note", "type"]);
}

#[test]
fn keys_are_filled_from_fields() {
    let artifact = |action| Artifact { action, shelf: 4, r#type: "pdf".into() };
    for (action, key) in [
        (Action::Created, "artifact.created.4.pdf"),
        (Action::ReOpened, "artifact.re_opened.4.pdf"),
        (Action::Removed, "artifact.gone.4.pdf"),
        (Action::Shipped, "artifact.sent.4.pdf"),
    ] {
        assert_eq!(artifact(action).routing_key().unwrap(), key);
    }
    assert_eq!(artifact(Action::Removed).unique_key().as_deref(), Some("action=gone|type=pdf"));
    let artifacts = Registry::global().event_of::<Artifact>().unwrap();
    assert!(artifacts.declaration().external);
    assert_eq!(placed().routing_key().unwrap(), "orders.order.placed");
    let refused = Artifact { action: Action::Created, shelf: 4, r#type: "a.b".into() }.routing_key();
    assert_eq!(
        refused.unwrap_err().to_string(),
        "`artifact.{action}.{shelf}.{type}` cannot be published: field `type` cannot be put into the routing key: \
         segment value `a.b` has a dot; a placeholder takes exactly one word"
    );
}

#[test]
fn a_segment_is_also_a_value_of_an_id() {
    assert_eq!(Action::ReOpened.routing_segment(), "re_opened");
    assert_eq!(Action::ReOpened.id_value().as_deref(), Some("re_opened"));
}

#[test]
fn a_failure_says_what_went_wrong() {
    let mut failure = OrderFailed {
        failed_stage: "pay".into(),
        error_message: "no money".into(),
        error_code: Some("E7".into()),
        is_retryable: true,
        retry_count: 1,
    };
    failure.set_retry_count(3);
    assert_eq!((failure.error_message(), failure.error_code()), ("no money", Some("E7")));
    assert_eq!((failure.is_retryable(), failure.retry_count()), (true, 3));
    assert_eq!(OrderFailed::DECLARATION.kind, EventKind::Failure);
    let error = bloodbank::handler::HandlerFailure::into_handler_error(failure, 2);
    assert_eq!(error.to_string(), "orders.order.failed: no money (E7)");
}
