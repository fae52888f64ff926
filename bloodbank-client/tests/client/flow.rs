//! The flow of the events of this program.

use bloodbank::Registry;
use bloodbank_client::{Flow, HandlerKind};

#[test]
fn handlers_lead_from_event_to_event() {
    let flow = Flow::of(Registry::global());
    let ship = flow.handlers_of("orders.order.placed").next().unwrap();
    assert_eq!((&*ship.name, ship.kind), ("ship", HandlerKind::Subscriber));
    assert!(ship.outputs.contains("orders.order.shipped") && ship.unmatched_patterns.is_empty());
    let listen = flow.handlers.iter().find(|handler| handler.name == "listen").unwrap();
    assert_eq!(listen.unmatched_patterns, ["elsewhere.#"]);
}

#[test]
fn an_event_that_leads_back_to_itself_is_found_once() {
    let flow = Flow::of(Registry::global());
    let cycle = ["orders.order.placed", "ship", "orders.order.shipped", "reorder", "orders.order.placed"];
    assert_eq!(flow.cycles(), [cycle]);
    let parcels = flow.starting_from("parcels.#");
    assert!(parcels.cycles().is_empty() && parcels.handlers.is_empty());
    assert_eq!(parcels.events.keys().collect::<Vec<_>>(), [&"parcels.parcel.{action}"]);
}

#[test]
fn placeholders_are_no_shapes_of_mermaid() {
    let flow = Flow::of(Registry::global()).starting_from("parcels.#");
    assert_eq!(flow.to_mermaid(), "flowchart LR\n    e0([\"parcels.parcel.#123;action#125;\"])\n");
    assert!(flow.to_dot().contains("e0 [label=\"parcels.parcel.{action}\", shape=ellipse]"));
}
