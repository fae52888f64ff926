//! Queues and connections.

use bloodbank_client::QueueEntry;
use bloodbank_core::transport::QueueStatus;
use chrono::TimeDelta;
use crossterm::event::KeyCode;

use super::screen::{User, noon};
use crate::message::{Effect, Message, QueueReport};

pub(super) fn some() -> Message {
    let states = vec![
        QueueStatus::new("billing.charge", 0, 2).unsettled(3).rates(Some(12.5), Some(12.5)),
        QueueStatus::new("bloodbank.retry.5000", 4, 0),
        QueueStatus::new("shop.ship", 1_204, 0).unsettled(0).oldest(noon() - TimeDelta::seconds(90)),
        QueueStatus::new("shop.ship.dlq", 3, 0),
    ];
    Message::Queues(Ok(QueueReport { queues: QueueEntry::of(states, noon()), connections: None, remark: None }))
}

#[test]
fn queues_are_looked_at_while_somebody_looks() {
    let mut user = User::new(80, 24);
    user.tell(Message::Tick(noon()));
    assert!(user.effects.is_empty(), "nobody looks");
    user.press(KeyCode::F(6));
    assert_eq!(user.effects, [Effect::ListQueues]);
    user.sees("asking");
    user.tell(Message::Tick(noon() + TimeDelta::seconds(60)));
    assert!(user.effects.is_empty(), "the first question has no answer yet");
    user.tell(some());
    user.sees("Queues (2)");
    user.tell(Message::Tick(noon() + TimeDelta::seconds(2)));
    assert!(user.effects.is_empty(), "it is not old yet");
    user.tell(Message::Tick(noon() + TimeDelta::seconds(5)));
    assert_eq!(user.effects, [Effect::ListQueues]);
}

#[test]
fn a_queue_stays_selected_when_others_come() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::F(6));
    user.tell(some());
    user.press(KeyCode::Down);
    assert_eq!(user.state.queues.selected().unwrap().status.name, "shop.ship");
    let states = ["a", "b", "shop.ship"].map(|name| QueueStatus::new(name, 0, 1));
    let report = QueueReport { queues: QueueEntry::of(states.into(), noon()), ..QueueReport::default() };
    user.tell(Message::Queues(Ok(report)));
    assert_eq!(user.state.queues.selected().unwrap().status.name, "shop.ship");
    user.press(KeyCode::Enter);
    user.sees("\"consumers\": 1");
    user.press(KeyCode::Esc);
    user.press(KeyCode::Char('d'));
    assert_eq!(user.effects, [Effect::ListDeadLetters]);
}

#[test]
fn what_cannot_be_seen_is_said() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::F(6));
    user.tell(Message::Queues(Err("the bus is away".to_owned())));
    user.sees("the bus is away");
    let remark = Some("only the queues of this program: no management API".to_owned());
    user.tell(Message::Queues(Ok(QueueReport { remark, ..QueueReport::default() })));
    user.sees("only the queues of this program");
}
