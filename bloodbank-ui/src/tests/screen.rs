//! A user without a terminal: types, clicks, and reads what is drawn.

use std::sync::Arc;

use bloodbank_client::PublishReceipt;
use bloodbank_core::Registry;
use chrono::{DateTime, TimeDelta, Utc};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::{Terminal, backend::TestBackend, buffer::Buffer};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Options, Theme,
    message::{Effect, Link, Message, SeenEvent},
    state::State,
    update::update,
    view::view,
};

pub(super) struct User {
    pub(super) state: State,
    /// What is to be done.
    pub(super) effects: Vec<Effect>,
}

pub(super) fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000, 0).unwrap()
}

/// An id that is always the same.
pub(super) fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x6f1c_2a9e_7a53_4f7e_9d43_0000_0000_0000 + number)
}

/// An event as it is seen on the bus, so many milliseconds after noon.
pub(super) fn seen(number: u128, key: &str, causes: &[Uuid], payload: Value) -> Arc<SeenEvent> {
    let envelope = json!({
        "event_id": id(number),
        "event_type": key,
        "timestamp": noon() + TimeDelta::milliseconds(i64::try_from(number * 7).unwrap()),
        "version": "1.0.0",
        "source": {"host": "h", "type": "manual", "app": "shop"},
        "correlation_ids": causes,
        "payload": payload,
    });
    Arc::new(SeenEvent::read(serde_json::to_vec(&envelope).unwrap().into()))
}

impl User {
    pub(super) fn new(width: u16, height: u16) -> Self {
        Self::with(Options::new("shop").queues(["shop.ship"]).theme(Theme::dark()), width, height)
    }

    pub(super) fn with(options: Options, width: u16, height: u16) -> Self {
        let state = State::new(Registry::global(), options, noon());
        let mut user = Self { state, effects: Vec::new() };
        user.tell(Message::Resize { width, height });
        user.tell(Message::Link(Link::Up("the gateway at http://127.0.0.1:8682".to_owned())));
        user
    }

    pub(super) fn tell(&mut self, message: Message) {
        self.effects = update(&mut self.state, message);
    }

    pub(super) fn press(&mut self, code: KeyCode) {
        self.tell(Message::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    pub(super) fn control(&mut self, letter: char) {
        self.tell(Message::Key(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)));
    }

    pub(super) fn write(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(KeyCode::Char(letter));
        }
    }

    pub(super) fn click(&mut self, column: u16, row: u16) {
        let kind = MouseEventKind::Down(MouseButton::Left);
        let mouse = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        self.tell(Message::Mouse(mouse));
    }

    /// Finds an event by a search.
    pub(super) fn find(&mut self, key: &str) {
        self.press(KeyCode::F(2));
        self.press(KeyCode::Char('/'));
        self.write(key);
        self.press(KeyCode::Enter);
    }

    pub(super) fn is_confirmed(&mut self, receipt_id: Uuid) {
        let receipt: PublishReceipt = serde_json::from_value(
            json!({"event_id": receipt_id, "event_type": "orders.order.placed", "unrouted": false}),
        )
        .unwrap();
        self.tell(Message::Published(Ok(receipt)));
    }

    pub(super) fn draw(&self) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(self.state.width, self.state.height)).unwrap();
        terminal.draw(|frame| view(&self.state, frame)).unwrap();
        terminal.backend().buffer().clone()
    }

    /// The rows of the screen.
    pub(super) fn text(&self) -> String {
        rows(&self.draw())
    }

    /// Where a text stands on the screen.
    pub(super) fn place(&self, text: &str) -> (u16, u16) {
        let screen = self.text();
        let found = screen.lines().enumerate().find_map(|(row, line)| Some((line.find(text)?, line, row)));
        let (column, line, row) = found.unwrap_or_else(|| panic!("no {text:?} on\n{screen}"));
        (u16::try_from(line[..column].chars().count()).unwrap(), u16::try_from(row).unwrap())
    }

    #[track_caller]
    pub(super) fn sees(&self, text: &str) {
        let screen = self.text();
        assert!(screen.contains(text), "no {text:?} on\n{screen}");
    }
}

pub(super) fn rows(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let rows = buffer.content.chunks(width).map(|row| {
        let row: String = row.iter().map(|cell| cell.symbol()).collect();
        row.trim_end().to_owned() + "\n"
    });
    rows.collect()
}
