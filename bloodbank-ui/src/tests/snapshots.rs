//! Every view as it is drawn, compared with what is committed; `BLOODBANK_ACCEPT=1` accepts what is drawn now.

use std::path::Path;

use chrono::TimeDelta;
use crossterm::event::KeyCode;
use serde_json::json;

use super::{
    dead_letters, queues,
    screen::{User, id, noon, seen},
    trace,
};
use crate::{Options, Theme, message::Message};

/// Compares a text with a committed file.
#[track_caller]
pub(super) fn compare(file: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if std::env::var_os("BLOODBANK_ACCEPT").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{file} is drawn differently; look at it, then accept it with BLOODBANK_ACCEPT=1:\n{text}\nwas:\n{committed}"
    );
}

#[track_caller]
fn drawn(name: &str, prepare: impl Fn(&mut User)) {
    for (width, height) in [(80, 24), (140, 45)] {
        let mut user = User::new(width, height);
        prepare(&mut user);
        compare(&format!("snapshots/{name}-{width}x{height}.txt"), &user.text());
    }
}

/// A morning in a shop.
pub(super) fn stream(user: &mut User) {
    for second in 0..30u64 {
        user.tell(Message::Events { count: (second * 37) % 23, shown: Vec::new() });
        user.tell(Message::Tick(noon() + TimeDelta::seconds(i64::try_from(second).unwrap())));
    }
    let payload = json!({"order_id": "o-1", "total_cents": 4200});
    let shown = vec![
        seen(1, "orders.order.placed", &[], payload),
        seen(2, "orders.order.shipped", &[id(1)], json!({"order_id": "o-1", "carrier": "post"})),
        seen(3, "stock.article.counted", &[], json!({"sku": "A-1", "left": 3})),
        seen(4, "orders.order.failed", &[id(1)], json!({"error_message": "the carrier is closed"})),
    ];
    user.tell(Message::Events { count: 4, shown });
}

#[test]
fn events() {
    drawn("events", |user| user.find("orders.order.placed"));
}

#[test]
fn faults() {
    drawn("faults", |user| {
        user.find("orders.order.placed");
        user.press(KeyCode::Enter);
        user.control('a');
        user.tell(Message::Paste(
            "{\n  \"order_id\": \"o-1\",\n  \"total_cents\": -1,\n  \"lines\": [{}]\n}".to_owned(),
        ));
    });
}

#[test]
fn search() {
    drawn("search", |user| {
        user.press(KeyCode::Char('/'));
        user.write("ship");
    });
}

#[test]
fn live() {
    drawn("live", |user| {
        user.press(KeyCode::F(3));
        stream(user);
    });
}

#[test]
fn traces() {
    drawn("trace", |user| {
        stream(user);
        user.state.last_published = Some(id(2));
        user.control('t');
        user.tell(Message::Traced { id: id(2), result: Ok(trace::order()) });
    });
}

#[test]
fn letters() {
    drawn("dead-letters", |user| {
        user.press(KeyCode::F(5));
        user.tell(dead_letters::some());
        user.press(KeyCode::Right);
        user.press(KeyCode::Down);
    });
}

#[test]
fn queues() {
    drawn("queues", |user| {
        user.press(KeyCode::F(6));
        user.tell(queues::some());
    });
}

#[test]
fn question() {
    drawn("question", |user| {
        user.press(KeyCode::F(5));
        user.tell(dead_letters::some());
        user.press(KeyCode::Char('d'));
    });
}

#[test]
fn help() {
    drawn("help", |user| user.press(KeyCode::F(1)));
}

#[test]
fn too_small() {
    let user = User::new(60, 12);
    compare("snapshots/too-small-60x12.txt", &user.text());
}

#[test]
fn without_colours_nothing_has_one() {
    let options = Options::new("shop").theme(Theme::plain());
    let mut user = User::with(options, 140, 45);
    user.find("orders.order.placed");
    for view in 2..=6 {
        user.press(KeyCode::F(view));
        stream(&mut user);
        let buffer = user.draw();
        let is_plain = |cell: &ratatui::buffer::Cell| {
            cell.fg == ratatui::style::Color::Reset && cell.bg == ratatui::style::Color::Reset
        };
        assert!(buffer.content.iter().all(is_plain), "F{view}");
    }
}
