//! The live stream.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use crossterm::event::KeyCode;
use serde_json::json;

use super::screen::{User, id, noon, seen};
use crate::message::{Effect, Message};

fn orders(numbers: std::ops::Range<u128>) -> Message {
    let shown: Vec<_> = numbers
        .map(|number| {
            let key = if number % 2 == 0 { "orders.order.placed" } else { "stock.article.counted" };
            seen(number, key, &[], json!({"number": number.to_string()}))
        })
        .collect();
    Message::Events { count: shown.len() as u64, shown }
}

#[test]
fn the_newest_is_first_and_looking_pauses() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::F(3));
    user.tell(orders(0..3));
    user.sees("\"number\": \"2\"");
    user.press(KeyCode::Down);
    assert!(user.state.live.is_paused());
    user.tell(orders(3..5));
    user.sees("\"number\": \"1\"");
    user.sees("paused");
    user.press(KeyCode::Char(' '));
    user.sees("\"number\": \"4\"");
    user.press(KeyCode::Enter);
    user.sees("\"timestamp\"");
}

#[test]
fn a_pattern_filters_what_was_and_what_comes() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::F(3));
    user.tell(orders(0..4));
    user.press(KeyCode::Char('/'));
    user.write("orders.#");
    user.press(KeyCode::Enter);
    let keys =
        |user: &User| -> Vec<String> { user.state.live.shown().iter().map(|event| event.event_type.clone()).collect() };
    assert_eq!(keys(&user), ["orders.order.placed"; 2]);
    user.tell(orders(4..6));
    assert_eq!(keys(&user), ["orders.order.placed"; 3]);
    user.press(KeyCode::Char('/'));
    user.write("..");
    assert!(user.state.live.pattern_fault.is_some());
    user.press(KeyCode::Enter);
    assert!(user.state.live.is_filtering, "it is no pattern yet");
    user.press(KeyCode::Esc);
    assert_eq!(keys(&user).len(), 6);
}

#[test]
fn what_is_not_kept_is_counted() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::F(3));
    let Message::Events { shown, .. } = orders(0..10) else { unreachable!() };
    user.tell(Message::Events { count: 1_214, shown });
    user.sees("1,214 seen · 1,204 dropped");
    user.tell(Message::Tick(noon() + TimeDelta::seconds(1)));
    user.sees("1,214 events/s");
    for round in 0..11 {
        user.tell(orders(round * 500..(round + 1) * 500));
    }
    assert_eq!(user.state.live.kept().count(), 5_000);
    user.sees("1,714 dropped");
}

#[test]
fn an_idle_bus_needs_no_new_picture() {
    let mut user = User::new(80, 24);
    user.state.is_changed = false;
    user.tell(Message::Tick(noon()));
    assert!(!user.state.is_changed);
    user.tell(orders(0..1));
    user.state.is_changed = false;
    user.tell(Message::Tick(noon()));
    assert!(user.state.is_changed, "the rate has moved");
}

#[test]
fn a_seen_event_is_traced_and_edited() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::F(3));
    let payload = json!({"order_id": "o-7", "carrier": "post"});
    let shown = vec![seen(7, "orders.order.shipped", &[], payload)];
    user.tell(Message::Events { count: 1, shown });
    user.press(KeyCode::Char('e'));
    assert_eq!(user.state.event.unwrap().routing_key(), "orders.order.shipped");
    user.sees("\"o-7\"");
    user.press(KeyCode::F(3));
    user.control('t');
    assert_eq!(user.effects, [crate::message::Effect::Trace(id(7))]);
}

#[test]
fn a_message_without_an_envelope_is_shown_as_it_is() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::F(3));
    let event = crate::message::SeenEvent::read("\u{1b}[31mno json".into());
    user.tell(Message::Events { count: 1, shown: vec![event.into()] });
    user.sees("(no envelope)");
    user.sees("this message is no JSON");
}

fn since(since: DateTime<Utc>, until: Option<DateTime<Utc>>) -> Effect {
    Effect::History { since, until }
}

#[test]
fn how_far_back_is_typed() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::F(3));
    user.press(KeyCode::Char('H'));
    user.write("15");
    user.press(KeyCode::Enter);
    assert!(user.effects.is_empty(), "15 of what?");
    user.sees("since 15  write `90s`");
    user.write("q");
    user.press(KeyCode::Backspace);
    user.write("m");
    user.press(KeyCode::Enter);
    assert_eq!(user.effects, [since(noon() - TimeDelta::minutes(15), None)]);
    user.press(KeyCode::Char('H'));
    user.write("2025-01-31");
    user.press(KeyCode::Enter);
    let midnight = "2025-01-31T00:00:00Z".parse().unwrap();
    assert_eq!(user.effects, [since(midnight, None)]);
    user.press(KeyCode::Char('H'));
    user.press(KeyCode::Esc);
    assert!(user.state.live.since.is_none());
}

#[test]
fn two_times_are_typed() {
    let mut user = User::new(140, 45);
    user.press(KeyCode::F(3));
    user.press(KeyCode::Char('H'));
    user.write("1h..3h");
    user.press(KeyCode::Enter);
    assert!(user.effects.is_empty());
    user.sees("the end is not after the beginning");
    for _ in 0..6 {
        user.press(KeyCode::Backspace);
    }
    user.write("3h .. 2025-06-15T14:00:00Z");
    user.press(KeyCode::Enter);
    let until = "2025-06-15T14:00:00Z".parse().unwrap();
    assert_eq!(user.effects, [since(noon() - TimeDelta::hours(3), Some(until))]);
    user.sees("since 15.06.2025 12:06:40 until 15.06.2025 14:00:00");
}

#[test]
fn what_was_in_between_comes_in_between() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::F(3));
    for numbers in [8..9, 0..2, 4..6] {
        let Message::Events { shown, .. } = orders(numbers) else { unreachable!() };
        user.tell(Message::History(Ok(shown)));
    }
    let ids: Vec<_> = user.state.live.shown().iter().filter_map(|event| event.event_id).collect();
    assert_eq!(ids, [8, 5, 4, 1, 0].map(id));
}

/// Ten seconds of a bus with 5,000 events a second, as `bus::follow` bundles them: each bundle is counted, each key is obeyed
/// and each picture is drawn. How long that takes is printed: a busy machine must not make the test fail.
#[test]
fn a_busy_bus_freezes_no_key() {
    const BUNDLES: u32 = 200;
    let mut user = User::new(140, 45);
    user.press(KeyCode::F(3));
    let mut slowest = Duration::ZERO;
    let began = Instant::now();
    for number in 0..BUNDLES {
        let events = orders(u128::from(number) * 250..u128::from(number + 1) * 250);
        let begun = Instant::now();
        user.tell(events);
        user.press(if number % 2 == 0 { KeyCode::Down } else { KeyCode::Char(' ') });
        user.draw();
        slowest = slowest.max(begun.elapsed());
        assert_eq!(user.state.live.is_paused(), number % 2 == 0);
    }
    println!("{:?} of 10 s, the slowest picture {slowest:?}", began.elapsed());
    assert_eq!(user.state.live.total, 50_000);
    user.sees("45,000 dropped");
}

#[test]
fn what_was_before_comes_below() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::F(3));
    user.tell(orders(3..5));
    user.press(KeyCode::Char('h'));
    assert_eq!(user.effects, [since(noon() - TimeDelta::hours(1), None)]);
    let Message::Events { shown, .. } = orders(0..4) else { unreachable!() };
    user.tell(Message::History(Ok(shown)));
    user.sees("3 earlier events");
    let ids: Vec<_> = user.state.live.shown().iter().filter_map(|event| event.event_id).collect();
    assert_eq!(ids, [4, 3, 2, 1, 0].map(id));
    user.tell(Message::History(Err("this bus remembers no events".to_owned())));
    user.sees("this bus remembers no events");
}
