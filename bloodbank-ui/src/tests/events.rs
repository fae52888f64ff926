//! The tree, the schema and the editor.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::json;

use super::screen::{User, id};
use crate::{
    message::{Effect, Link, Message},
    state::{Focus, View},
};

#[test]
fn an_event_is_found_by_some_of_its_letters() {
    let mut user = User::new(140, 45);
    user.press(KeyCode::Char('/'));
    user.write("ordship");
    assert_eq!(user.state.event.unwrap().routing_key(), "orders.order.shipped");
    user.sees("OrderShipped");
    user.press(KeyCode::Esc);
    assert!(user.state.tree.search.is_empty() && user.state.tree.rows.len() > 8);
    assert_eq!(user.state.event.unwrap().routing_key(), "orders.order.shipped", "it stays selected");
}

#[test]
fn the_tree_is_folded() {
    let mut user = User::new(80, 24);
    user.press(KeyCode::Home);
    let all = user.state.tree.rows.len();
    user.press(KeyCode::Left);
    user.sees("▸ orders (3)");
    assert!(user.state.tree.rows.len() < all);
    user.press(KeyCode::Right);
    assert_eq!(user.state.tree.rows.len(), all);
    user.press(KeyCode::End);
    user.press(KeyCode::Left);
    assert!(user.state.tree.selected().unwrap().kind.is_none(), "from an event to what is around it");
}

#[test]
fn commands_and_failures_are_marked() {
    let user = User::new(140, 45);
    for text in ["! count", "✗ failed", "  counted"] {
        user.sees(text);
    }
}

#[test]
fn what_is_typed_is_checked_at_its_line() {
    let mut user = User::new(140, 45);
    user.find("orders.order.placed");
    user.sees("Valid");
    user.press(KeyCode::Enter);
    assert_eq!(user.state.focus, Focus::Editor);
    let line = user.state.editor.lines().iter().position(|line| line.contains("total_cents")).unwrap();
    user.state.editor.jump(line, usize::MAX);
    user.write("x");
    assert_eq!(user.state.editor.faults.len(), 1, "no JSON any more");
    assert_eq!(user.state.editor.faults[0].line, line);
    user.control('z');
    user.sees("Valid");
    let digits = user.state.editor.lines()[line].find("4200").unwrap();
    user.state.editor.jump(line, digits);
    user.write("-");
    let fault = &user.state.editor.faults[0];
    assert_eq!((fault.line, &*fault.pointer), (line, "/total_cents"));
    user.control('p');
    assert!(user.effects.is_empty(), "nothing is sent: {:?}", user.effects);
    user.sees("nothing was sent: line");
    user.press(KeyCode::Home);
    user.state.editor.jump(line, digits);
    user.press(KeyCode::Delete);
    user.control('p');
    let [Effect::Publish { event, replaces: None }] = &user.effects[..] else { panic!("{:?}", user.effects) };
    assert_eq!((&*event.routing_key, &event.payload["total_cents"]), ("orders.order.placed", &json!(4200)));
    assert!(event.event_id.is_some(), "derived from the order");
    user.is_confirmed(id(1));
    user.sees(&format!("published orders.order.placed {}", id(1)));
    user.control('t');
    assert_eq!(user.effects, [Effect::Trace(id(1))]);
    assert_eq!(user.state.view, View::Trace);
}

#[test]
fn text_is_selected_cut_and_pasted() {
    let mut user = User::new(140, 45);
    user.find("orders.order.shipped");
    user.press(KeyCode::Enter);
    let before = user.state.editor.text();
    user.control('a');
    assert!(user.state.editor.selected().is_some());
    user.control('c');
    assert!(user.effects.is_empty(), "what is selected is copied");
    user.control('a');
    user.control('x');
    assert_eq!(user.state.editor.text(), "");
    user.sees("1 fault");
    user.control('v');
    assert_eq!(user.state.editor.text(), before);
    user.control('z');
    user.control('z');
    assert_eq!(user.state.editor.text(), before);
    user.control('a');
    user.tell(Message::Paste("{\"order_id\": \"o\",\r\n \"carrier\": \"post\"}".to_owned()));
    assert_eq!(user.state.editor.lines().len(), 2);
    user.sees("Valid");
    user.control('c');
    assert_eq!(user.effects, [Effect::Quit], "nothing is selected");
    let select = KeyEvent::new(KeyCode::Left, KeyModifiers::SHIFT);
    user.tell(Message::Key(select));
    assert_eq!(user.state.editor.selected(), Some(((1, 18), (1, 19))));
}

#[test]
fn only_commands_are_executed_and_the_reply_is_shown() {
    let mut user = User::new(80, 24);
    user.find("orders.order.placed");
    user.control('r');
    user.sees("only commands are executed");
    user.find("stock.article.count");
    user.control('r');
    assert!(matches!(&user.effects[..], [Effect::Execute(event)] if event.routing_key == "stock.article.count"));
    let reply = json!({"event_type": "stock.article.counted", "correlation_ids": [id(3)], "payload": {"left": 3}});
    user.tell(Message::Replied(Ok(reply)));
    user.sees("Reply: stock.article.counted");
    user.sees("\"left\": 3");
    user.press(KeyCode::Esc);
    user.control('t');
    assert_eq!(user.effects, [Effect::Trace(id(3))]);
    user.tell(Message::Replied(Err("no queue receives it".to_owned())));
    user.sees("no queue receives it");
}

#[test]
fn payloads_come_from_files_and_editors() {
    let mut user = User::new(140, 45);
    user.find("parcels.parcel");
    user.control('s');
    let key = "parcels.parcel.{action}".to_owned();
    assert_eq!(user.effects, [Effect::Save { key: key.clone(), text: user.state.editor.text() }]);
    user.control('o');
    assert_eq!(user.effects, [Effect::Load { key }]);
    user.tell(Message::Loaded(Ok("{\"action\": \"lost\", \"place\": \"Bonn\"}\n".to_owned())));
    user.sees("parcels.parcel.lost");
    user.control('e');
    assert_eq!(user.effects, [Effect::EditExternally(user.state.editor.text())]);
    user.tell(Message::Edited(Err("vim ended with exit status: 1; nothing was changed".to_owned())));
    user.sees("nothing was changed");
    user.control('g');
    user.sees("\"place\"");
    assert!(!user.state.editor.text().contains("Bonn"));
}

#[test]
fn the_mouse_selects() {
    let mut user = User::new(140, 45);
    let (column, row) = user.place("      shipped");
    user.click(column + 6, row);
    assert_eq!(user.state.event.unwrap().routing_key(), "orders.order.shipped");
    let (column, row) = user.place("▾ stock");
    user.click(column, row);
    user.sees("▸ stock (3)");
    let (column, row) = user.place("\"carrier\"");
    user.click(column + 3, row);
    assert_eq!((user.state.focus, user.state.editor.cursor()), (Focus::Editor, (1, 5)));
    let (column, _) = user.place("Dead letters");
    user.click(column, 0);
    assert_eq!((user.state.view, &user.effects[..]), (View::DeadLetters, &[Effect::ListDeadLetters][..]));
}

#[test]
fn the_bus_may_go_and_come_back() {
    let mut user = User::new(80, 24);
    user.sees("● the gateway at");
    user.tell(Message::Link(Link::Down("no gateway answers".to_owned())));
    user.sees("○ the bus is away: no gateway answers");
    user.tell(Message::Link(Link::Up("the gateway at http://127.0.0.1:1".to_owned())));
    user.sees("http://127.0.0.1:1");
    user.tell(Message::Published(Err("the bus is away".to_owned())));
    user.tell(Message::Link(Link::Up("the gateway at http://127.0.0.1:2".to_owned())));
    user.sees("http://127.0.0.1:2");
}

#[test]
fn help_names_every_key_and_q_means_q_in_a_text() {
    let mut user = User::new(140, 60);
    user.press(KeyCode::Char('?'));
    for (_, keys) in crate::update::KEYS {
        for (key, does) in *keys {
            user.sees(key);
            user.sees(does);
        }
    }
    user.press(KeyCode::Esc);
    user.press(KeyCode::Enter);
    user.press(KeyCode::Char('q'));
    assert!(user.effects.is_empty() && user.state.editor.text().contains('q'));
    user.press(KeyCode::Esc);
    user.press(KeyCode::Char('q'));
    assert_eq!(user.effects, [Effect::Quit]);
}

#[test]
fn a_small_terminal_is_told_so() {
    let user = User::new(79, 24);
    user.sees("this terminal has 79×24; make it 80×24 or larger");
}
