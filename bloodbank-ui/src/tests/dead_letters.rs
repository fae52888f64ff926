//! Dead letters.

use bloodbank_client::{DeadLetterEntry, SweepAction};
use crossterm::event::KeyCode;
use serde_json::json;

use super::screen::{User, id, noon};
use crate::{
    message::{Effect, LetterId, Message},
    state::View,
};

pub(super) fn letter(number: u128, error: &str) -> DeadLetterEntry {
    serde_json::from_value(json!({
        "handle": id(number),
        "event_id": id(number),
        "exchange": "bloodbank.events.v1",
        "routing_key": "orders.order.placed",
        "event_type": "orders.order.placed",
        "queue": "shop.ship",
        "reason": "failed",
        "error": error,
        "attempts": 1,
        "first_failed": noon(),
        "last_failed": noon(),
        "published": noon(),
        "redriven": 0,
        "readable": true,
        "unreadable_because": null,
        "message": {
            "event_id": id(number),
            "event_type": "orders.order.placed",
            "payload": {"order_id": format!("o-{number}"), "total_cents": 0, "lines": [], "note": null, "channel": "web"},
        },
    }))
    .unwrap()
}

pub(super) fn some() -> Message {
    Message::DeadLetters(Ok(vec![
        letter(1, "the carrier is closed"),
        letter(2, "order o-2 has no price"),
        letter(3, "order o-3 has no price"),
    ]))
}

#[test]
fn a_message_without_an_event_id_is_redriven_by_its_handle() {
    let mut user = User::new(140, 45);
    user.press(KeyCode::F(5));
    let mut unnamed = letter(4, "no envelope");
    (unnamed.event_id, unnamed.handle) = (None, "m-00ff12345678".parse().unwrap());
    user.tell(Message::DeadLetters(Ok(vec![unnamed.clone()])));
    user.press(KeyCode::Right);
    user.press(KeyCode::Down);
    user.effects.clear();
    user.press(KeyCode::Char('r'));
    let letters = vec![LetterId { queue: "shop.ship".to_owned(), handle: unnamed.handle }];
    assert_eq!(user.effects, [Effect::Sweep { action: SweepAction::Redrive, letters }]);
}

#[test]
fn what_failed_for_one_reason_is_one_group() {
    let mut user = User::new(140, 45);
    user.press(KeyCode::F(5));
    assert_eq!(user.effects, [Effect::ListDeadLetters]);
    user.sees("fetching");
    user.tell(some());
    user.sees("Dead letters (3)");
    assert_eq!(user.state.letters.groups.len(), 2, "numbers and ids do not make another reason");
    assert_eq!(user.state.letters.groups[0].letters.len(), 2);
    user.press(KeyCode::Char('r'));
    assert!(user.effects.is_empty(), "a whole group is asked for");
    user.sees("Redrive all 2 dead letters of this group?");
    user.press(KeyCode::Char('y'));
    let letters = [2, 3].map(|number| LetterId { queue: "shop.ship".to_owned(), handle: id(number).into() });
    assert_eq!(user.effects, [Effect::Sweep { action: SweepAction::Redrive, letters: letters.into() }]);
    let report = json!({"letters": [], "interrupted": null});
    let result = Ok(serde_json::from_value(report).unwrap());
    user.tell(Message::Swept { action: SweepAction::Redrive, result });
    assert_eq!(user.effects, [Effect::ListDeadLetters]);
}

#[test]
fn one_is_redriven_or_discarded_after_a_question() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::F(5));
    user.tell(some());
    user.press(KeyCode::Right);
    user.press(KeyCode::Down);
    user.press(KeyCode::Char('r'));
    let letters = vec![LetterId { queue: "shop.ship".to_owned(), handle: id(2).into() }];
    assert_eq!(user.effects, [Effect::Sweep { action: SweepAction::Redrive, letters: letters.clone() }]);
    user.press(KeyCode::Char('d'));
    user.sees("Discard dead letter");
    user.press(KeyCode::Char('n'));
    assert!(user.effects.is_empty() && user.state.overlay.is_none());
    user.press(KeyCode::Char('d'));
    user.press(KeyCode::Char('y'));
    assert_eq!(user.effects, [Effect::Sweep { action: SweepAction::Discard, letters }]);
    user.press(KeyCode::Enter);
    user.sees("\"attempts\": 1");
}

#[test]
fn an_edited_one_is_published_and_closed() {
    let mut user = User::new(140, 45);
    user.press(KeyCode::F(5));
    user.tell(some());
    user.press(KeyCode::Char('e'));
    user.sees("select one dead letter");
    user.press(KeyCode::Right);
    user.press(KeyCode::Down);
    user.press(KeyCode::Char('e'));
    assert_eq!(user.state.view, View::Events);
    user.sees("Payload of a dead letter");
    user.sees(&format!("closes {}", id(2)));
    let line = user.state.editor.lines().iter().position(|line| line.contains("total_cents")).unwrap();
    user.state.editor.jump(line, usize::MAX);
    user.press(KeyCode::Backspace);
    user.write("7");
    user.control('p');
    let [Effect::Publish { event, replaces }] = &user.effects[..] else { panic!("{:?}", user.effects) };
    assert_eq!(event.payload["total_cents"], 7);
    assert_eq!(replaces, &Some(LetterId { queue: "shop.ship".to_owned(), handle: id(2).into() }));
    user.is_confirmed(id(9));
    assert!(user.state.replaces.is_none(), "the next one is an event of its own");
}

#[test]
fn what_cannot_be_done_is_said() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::F(5));
    user.tell(Message::DeadLetters(Err("the bus is away".to_owned())));
    user.sees("the bus is away");
    let mut letter = letter(1, "no");
    letter.event_id = None;
    user.tell(Message::DeadLetters(Ok(vec![letter])));
    user.press(KeyCode::Char('e'));
    user.sees("this dead letter has no event id");
}
