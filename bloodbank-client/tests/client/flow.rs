//! The flow of the events of this program.

use bloodbank::Registry;
use bloodbank_client::{Flow, HandlerKind};

/// The flow of a program whose app runs every subscriber but `listen`.
fn linked() -> Flow {
    let registry = Registry::global();
    let subscribers = registry.subscribers().iter().filter(|subscriber| subscriber.name != "listen");
    Flow::of(registry, &subscribers.map(|subscriber| subscriber.location).collect())
}

#[test]
fn what_is_only_linked_is_told_from_what_runs() {
    let flow = linked();
    let listen = flow.handlers.iter().find(|handler| handler.name == "listen").unwrap();
    assert!(!listen.is_subscribed);
    let runs = flow.subscribed();
    assert!(runs.handlers.iter().all(|handler| handler.is_subscribed && handler.name != "listen"));
    assert!(runs.handlers.iter().any(|handler| handler.name == "ship"));
}

#[test]
fn handlers_lead_from_event_to_event() {
    let flow = linked();
    let ship = flow.handlers_of("orders.order.placed").next().unwrap();
    assert_eq!((&*ship.name, ship.kind), ("ship", HandlerKind::Subscriber));
    assert!(ship.outputs.contains("orders.order.shipped") && ship.unmatched_patterns.is_empty());
    let listen = flow.handlers.iter().find(|handler| handler.name == "listen").unwrap();
    assert_eq!(listen.unmatched_patterns, ["elsewhere.#"]);
}

#[test]
fn an_event_that_leads_back_to_itself_is_found_once() {
    let flow = linked();
    let cycle = ["orders.order.placed", "ship", "orders.order.shipped", "reorder", "orders.order.placed"];
    assert_eq!(flow.cycles(), [cycle]);
    let parcels = flow.starting_from("parcels.#");
    assert!(parcels.cycles().is_empty() && parcels.handlers.is_empty());
    assert_eq!(parcels.events.keys().collect::<Vec<_>>(), [&"parcels.parcel.{action}"]);
}

#[test]
fn placeholders_are_no_shapes_of_mermaid() {
    let flow = linked().starting_from("parcels.#");
    assert_eq!(flow.to_mermaid(), "flowchart LR\n    e0([\"parcels.parcel.#123;action#125;\"])\n");
    assert!(flow.to_dot().contains("e0 [label=\"parcels.parcel.{action}\", shape=ellipse]"));
}
