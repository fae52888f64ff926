//! Traces.

use bloodbank_client::{CausationEvent, CausationTrace};
use crossterm::event::KeyCode;
use serde_json::json;
use uuid::Uuid;

use super::screen::{User, id, noon, seen};
use crate::message::{Effect, Message};

pub(super) fn event(number: u128, key: &str, parents: &[u128], children: &[u128]) -> CausationEvent {
    let ids = |numbers: &[u128]| -> Vec<Uuid> { numbers.iter().copied().map(id).collect() };
    CausationEvent {
        event_id: id(number),
        event_type: Some(key.to_owned()),
        app: Some("shop".to_owned()),
        time: Some(noon()),
        parents: ids(parents),
        children: ids(children),
    }
}

pub(super) fn order() -> CausationTrace {
    let mut events = vec![
        event(1, "orders.order.placed", &[], &[2, 3, 4, 5, 6, 7]),
        event(2, "orders.order.shipped", &[1], &[8]),
        event(8, "parcels.parcel.scanned", &[2], &[]),
    ];
    events.extend((3..8).map(|number| event(number, "stock.article.counted", &[1], &[])));
    CausationTrace { around: id(2), events, truncated: false, may_be_incomplete: false }
}

#[test]
fn a_trace_is_folded_and_what_is_alike_is_one_row() {
    let mut user = User::new(140, 45);
    user.state.last_published = Some(id(2));
    user.control('t');
    user.sees("loading the trace of");
    user.tell(Message::Traced { id: id(2), result: Ok(order()) });
    user.sees("stock.article.counted × 5");
    assert_eq!(user.state.trace.rows.len(), 4);
    assert_eq!(user.state.trace.selected().unwrap().event.event_id, id(2));
    user.press(KeyCode::Left);
    assert_eq!(user.state.trace.rows.len(), 3);
    user.press(KeyCode::Left);
    user.press(KeyCode::Left);
    assert_eq!(user.state.trace.rows.len(), 1);
    user.press(KeyCode::Right);
    assert_eq!(user.state.trace.rows.len(), 3, "what was folded within stays folded");
    user.press(KeyCode::Enter);
    user.sees("h asks the bus");
    user.press(KeyCode::Char('h'));
    assert!(matches!(&user.effects[..], [Effect::History { .. }]));
    user.press(KeyCode::Char('r'));
    assert_eq!(user.effects, [Effect::Trace(id(2))]);
}

#[test]
fn where_nobody_keeps_causes_the_stream_tells_them() {
    let mut user = User::new(140, 45);
    let placed = seen(1, "orders.order.placed", &[], json!({"order_id": "o-1"}));
    let shipped = seen(2, "orders.order.shipped", &[id(1)], json!({"order_id": "o-1", "carrier": "post"}));
    let other = seen(3, "orders.order.placed", &[], json!({}));
    user.tell(Message::Events { count: 3, shown: vec![placed, shipped, other] });
    user.state.last_published = Some(id(2));
    user.control('t');
    user.tell(Message::Traced { id: id(2), result: Err("no store".to_owned()) });
    assert_eq!(user.state.trace.rows.len(), 2);
    user.sees("from what was seen");
    user.sees("\"carrier\": \"post\"");
    user.tell(Message::Traced { id: id(9), result: Ok(order()) });
    assert_eq!(user.state.trace.rows.len(), 2, "the answer to another question");
    let alone = CausationTrace { around: id(2), events: vec![event(2, "orders.order.shipped", &[], &[])], ..order() };
    user.tell(Message::Traced { id: id(2), result: Ok(alone) });
    assert_eq!(user.state.trace.rows.len(), 2, "more was seen than is kept");
    user.press(KeyCode::Char('e'));
    assert_eq!(user.state.event.unwrap().routing_key(), "orders.order.shipped");
}

#[test]
fn what_is_not_known_is_said() {
    let mut user = User::new(80, 24);
    user.control('t');
    user.sees("there is no event to trace");
    user.state.last_published = Some(id(5));
    user.control('t');
    user.tell(Message::Traced { id: id(5), result: Err("the bus is away".to_owned()) });
    user.sees("the bus is away");
}

#[test]
fn a_circle_of_causes_ends() {
    let mut user = User::new(80, 24);
    let events = vec![event(1, "a.b.c", &[2], &[2]), event(2, "a.b.d", &[1], &[1])];
    user.state.last_published = Some(id(1));
    user.control('t');
    let trace = CausationTrace { around: id(1), events, truncated: false, may_be_incomplete: false };
    user.tell(Message::Traced { id: id(1), result: Ok(trace) });
    user.sees("a.b.c (above)");
    assert_eq!(user.state.trace.rows.len(), 3);
}
