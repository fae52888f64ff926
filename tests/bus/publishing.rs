//! Publishing on every bus: receipts, limits, values known only at run time.

use crate::common::soon;
use bloodbank::{ErrorKind, Settings, app::BusBuilder, prelude::*, publish::Cause};
use bloodbank_harness::unique;
use serde_json::{json, value::RawValue};
use tokio::sync::mpsc;
use uuid::Uuid;

on_every_bus! {
    what_is_published_arrives_as_it_was_said,
    an_event_that_nobody_receives_is_reported,
    many_events_keep_their_order,
    a_value_is_checked_against_its_schema,
    a_text_is_checked_like_the_value_that_it_is,
    the_same_event_has_the_same_id,
    a_field_that_names_a_cause_makes_it_a_parent,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "library.book.lent", id(isbn, copy))]
struct BookLent {
    isbn: String,
    copy: Option<u32>,
    reader: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "library.{section}.closed")]
struct SectionClosed {
    section: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "library.book.returned", caused_by(loan))]
struct BookReturned {
    loan: Option<String>,
}

#[subscriber]
async fn take_back(book: BookLent, context: Context) -> Option<BookReturned> {
    // Named by the event that is handled, and by a field.
    let of = |reader: &str| if reader == "nobody" { Uuid::from_u128(7) } else { context.event_id() };
    Some(BookReturned { loan: Some(of(&book.reader).to_string()) })
}

#[subscriber]
async fn see_return(
    book: EventEnvelope<BookReturned>,
    State(seen): State<mpsc::UnboundedSender<EventEnvelope<BookReturned>>>,
) {
    seen.send(book).unwrap();
}

fn lent(copy: u32) -> BookLent {
    BookLent { isbn: "978-3".into(), copy: Some(copy), reader: "Ada — ünïcode".into() }
}

#[subscriber]
async fn see(
    book: EventEnvelope<BookLent>,
    context: Context,
    State(seen): State<mpsc::UnboundedSender<(EventEnvelope<BookLent>, Context)>>,
) {
    seen.send((book, context)).unwrap();
}

async fn what_is_published_arrives_as_it_was_said(bus: Bus) {
    let (seen, mut books) = mpsc::unbounded_channel();
    let app = App::new(unique("svc"), bus.clone()).state(seen).subscribe(see).start().await.unwrap();
    let (parent, other) = (Uuid::new_v4(), Uuid::new_v4());
    let mut agent = bloodbank::envelope::AgentContext::new(bloodbank::envelope::AgentType::Letta);
    agent.name = Some("Tonny".into());
    let receipt = bus
        .publish(lent(1))
        .caused_by(&parent)
        .causes([other, parent])
        .agent_context(agent.clone())
        .header("tenant", "acme")
        .header("priority", 7_i64)
        .mandatory()
        .await
        .unwrap();
    assert_eq!(receipt.unrouted, Some(false));
    let (book, context) = soon("the book", books.recv()).await.unwrap();
    assert_eq!(book.payload, lent(1));
    assert_eq!(book.event_id, receipt.event_id);
    assert_eq!(book.timestamp, receipt.timestamp);
    assert_eq!(book.correlation_ids, [parent, other], "each parent once, in order");
    assert_eq!(book.agent_context.as_deref(), Some(&agent));
    assert_eq!(context.headers().text("tenant"), Some("acme"));
    assert_eq!(context.headers().integer("priority"), Some(7));
    let properties = &context.message().properties;
    assert_eq!(properties.message_id, Some(receipt.event_id));
    assert_eq!(properties.correlation_id, Some(parent));
    assert_eq!(properties.event_type.as_deref(), Some("library.book.lent"));
    assert_eq!(properties.app_id.as_deref(), Some(bus.service_name()), "that of its first app");
    assert_eq!(Cause::event_id(&context), receipt.event_id);
    assert_eq!((context.attempt(), context.redelivered()), (1, false));
    app.shutdown().await.unwrap();
}

async fn an_event_that_nobody_receives_is_reported(bus: Bus) {
    assert_eq!(bus.publish(lent(1)).await.unwrap().unrouted, Some(true));
    let error = bus.publish(lent(1)).mandatory().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unrouted);
    assert!(error.to_string().contains("`library.book.lent`"), "{error}");
}

async fn many_events_keep_their_order(bus: Bus) {
    let (seen, mut books) = mpsc::unbounded_channel();
    let app = App::new(unique("svc"), bus.clone()).state(seen).subscribe(see).start().await.unwrap();
    let receipts = bus.publish_all((0..2000).map(lent)).await;
    assert!(receipts.iter().all(|receipt| receipt.as_ref().is_ok_and(|receipt| receipt.unrouted == Some(false))));
    for copy in 0..2000 {
        let (book, _) = soon("a book", books.recv()).await.unwrap();
        assert_eq!(book.payload.copy, Some(copy));
        assert_eq!(book.event_id, receipts[copy as usize].as_ref().unwrap().event_id);
    }
    app.shutdown().await.unwrap();
}

async fn a_value_is_checked_against_its_schema(bus: Bus) {
    let receipt =
        bus.publish_value("library.book.lent", &json!({"isbn": "978-3", "copy": 1, "reader": "x"})).await.unwrap();
    assert_eq!(receipt.event_id, bus.publish(lent(1)).await.unwrap().event_id, "the id comes from the fields");
    let error = bus.publish_value("library.book.lent", &json!({"isbn": 9, "copy": -1})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPayload);
    let message = error.to_string();
    for part in ["`library.book.lent`", "\"/isbn\"", "\"/copy\"", "reader"] {
        assert!(message.contains(part), "{part} is missing: {message}");
    }
    let error = bus.publish_value("library.book.lend", &json!({})).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownEvent);
    assert!(error.to_string().contains("did you mean `library.book.lent`?"), "{error}");
    assert_eq!(bus.publish_value("library..lent", &json!({})).await.unwrap_err().kind(), ErrorKind::InvalidKey);
    let receipt = bus.publish_value("library.maps.closed", &json!({"section": "maps"})).await.unwrap();
    assert_eq!(&*receipt.event_type, "library.maps.closed");
    let error = bus.publish_value("library.maps.closed", &json!({"section": "atlases"})).await.unwrap_err();
    assert!(error.to_string().contains("belongs under the key `library.atlases.closed`"), "{error}");
    let child =
        bus.publish_value("library.maps.closed", &json!({"section": "maps"})).caused_by(&receipt).await.unwrap();
    assert_eq!(bus.correlation().unwrap().parents(child.event_id).await.unwrap(), [receipt.event_id]);
}

async fn a_text_is_checked_like_the_value_that_it_is(bus: Bus) {
    const KEY: &str = "library.book.lent";
    let text = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let lent = text(r#" {"isbn": "978-3", "reader": "x", "copy": 1, "shelf": {"row": [7]}} "#);
    assert_eq!(
        bus.publish_value(KEY, &*lent).await.unwrap().event_id,
        bus.publish_value(KEY, &json!({"isbn": "978-3", "copy": 1, "reader": "x"})).await.unwrap().event_id
    );
    for wrong in
        [json!({"isbn": 9, "copy": -1}), json!(["978-3", 1, "x"]), json!({"isbn": "", "reader": "x", "copy": 0.5})]
    {
        let of_value = bus.publish_value(KEY, &wrong).await.unwrap_err();
        let of_text = bus.publish_value(KEY, &*text(&wrong.to_string())).await.unwrap_err();
        assert!(!of_value.faults().is_empty(), "{of_value}");
        assert_eq!(of_text.to_string(), of_value.to_string());
    }
    // Looks like JSON, and is too large for every reader.
    let unreadable = text(r#"{"isbn": "978-3", "reader": "x", "copy": 1, "shelf": 1e999}"#);
    let refused = [
        bus.publish_value(KEY, &*unreadable).await.unwrap_err(),
        bus.publish_value("library.shelf.moved", &*unreadable).allow_unregistered().await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), ErrorKind::InvalidPayload);
        let said = error.to_string();
        assert!(said.contains("is no JSON") && said.matches("number out of range").count() == 1, "{said}");
    }
}

async fn the_same_event_has_the_same_id(bus: Bus) {
    let id = |book: BookLent| async { bus.publish(book).await.unwrap().event_id };
    assert_eq!(id(lent(1)).await, id(BookLent { reader: "somebody else".into(), ..lent(1) }).await);
    assert_ne!(id(lent(1)).await, id(lent(2)).await);
    assert_ne!(id(lent(1)).await, id(BookLent { copy: None, ..lent(1) }).await);
}

async fn a_field_that_names_a_cause_makes_it_a_parent(bus: Bus) {
    let (seen, mut returned) = mpsc::unbounded_channel();
    let app = App::new(unique("svc"), bus.clone()).state(seen).subscribe(take_back).subscribe(see_return);
    let app = app.start().await.unwrap();
    let (loan, said) = (Uuid::new_v4(), Uuid::new_v4());
    let parents = async |returned: &mut mpsc::UnboundedReceiver<EventEnvelope<BookReturned>>| {
        soon("the book", returned.recv()).await.unwrap().correlation_ids
    };
    let book = BookReturned { loan: Some(loan.to_string()) };
    bus.publish(book.clone()).await.unwrap();
    assert_eq!(parents(&mut returned).await, [loan]);
    bus.publish(book).caused_by(&said).causes([loan]).await.unwrap();
    assert_eq!(parents(&mut returned).await, [said, loan], "each once, and first what was said");
    let value = json!({ "loan": loan });
    bus.publish_value("library.book.returned", &value).await.unwrap();
    assert_eq!(parents(&mut returned).await, [loan]);
    bus.publish(BookReturned { loan: Some("the one of last week".into()) }).await.unwrap();
    assert!(parents(&mut returned).await.is_empty());

    let cause = bus.publish(lent(1)).await.unwrap().event_id;
    assert_eq!(parents(&mut returned).await, [cause]);
    let cause = bus.publish(BookLent { reader: "nobody".into(), ..lent(2) }).await.unwrap().event_id;
    assert_eq!(parents(&mut returned).await, [cause, Uuid::from_u128(7)]);
    if let Some(tracker) = bus.correlation() {
        let children = tracker.children(Uuid::from_u128(7)).await.unwrap();
        assert!(!children.is_empty(), "the index has it too");
    }
    app.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_before_it_is_sent() {
    let mut settings = Settings::default();
    settings.max_body_bytes = 500;
    let bus = BusBuilder::new(settings).connect().await.unwrap();
    let kind = |publish: Result<_, bloodbank::Error>| publish.map(|_: bloodbank::Receipt| ()).unwrap_err().kind();
    let long = BookLent { reader: "x".repeat(500), ..lent(1) };
    let error = bus.publish(long).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert!(error.to_string().contains("`library.book.lent`") && error.to_string().contains("500"), "{error}");
    for name in ["x-death", "CC", "bcc", "bloodbank-attempt", ""] {
        assert_eq!(kind(bus.publish(lent(1)).header(name, "v").await), ErrorKind::InvalidHeader, "{name}");
    }
    assert_eq!(kind(bus.publish(lent(1)).header("fine", "a\r\nb").await), ErrorKind::InvalidHeader);
    assert_eq!(kind(bus.publish(lent(1)).caused_by(&Uuid::nil()).await), ErrorKind::InvalidEnvelope);
    let own = Uuid::new_v4();
    assert_eq!(kind(bus.publish(lent(1)).event_id(own).caused_by(&own).await), ErrorKind::InvalidEnvelope);
    for section in ["", "Maps", "a.b", "*"] {
        assert_eq!(
            kind(bus.publish(SectionClosed { section: section.into() }).await),
            ErrorKind::InvalidKey,
            "{section}"
        );
    }
    bus.close().await;
    assert_eq!(kind(bus.publish(lent(1)).await), ErrorKind::Closed);
}
