//! The editor of a payload, which checks it while it is typed.

use bloodbank_client::{CheckedEvent, ClientError, PayloadBuilder, mock_payload};
use bloodbank_core::registry::EventDescriptor;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui_textarea::{CursorMove, TextArea};
use serde_json::Value;

use crate::text::{line_of, pretty};

/// What is wrong with a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The line, from 0.
    pub(crate) line: usize,
    /// The place as a JSON pointer; empty for the payload itself.
    pub(crate) pointer: String,
    pub(crate) message: String,
}

/// The editor of a payload.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    area: TextArea<'static>,
    /// What is wrong with the payload.
    pub(crate) faults: Vec<Fault>,
    /// The event that would be published; `None`: something is wrong.
    pub(crate) checked: Option<CheckedEvent>,
    /// The first line on the screen.
    pub(crate) top: usize,
}

impl Editor {
    /// Begins anew with a made-up payload.
    pub(crate) fn mock(&mut self, event: &'static EventDescriptor) {
        let payload = mock_payload(event).unwrap_or_else(|_| Value::Object(serde_json::Map::new()));
        self.set(&pretty(&payload), event);
    }

    /// Begins anew with this text.
    pub(crate) fn set(&mut self, text: &str, event: &'static EventDescriptor) {
        self.area = TextArea::new(text.lines().map(str::to_owned).collect());
        self.area.set_tab_length(2);
        self.top = 0;
        self.check(event);
    }

    /// Replaces the text, which can be undone.
    pub(crate) fn replace(&mut self, text: &str, event: &'static EventDescriptor) {
        self.area.select_all();
        self.area.insert_str(text.trim_end());
        self.area.move_cursor(CursorMove::Top);
        self.area.move_cursor(CursorMove::Head);
        self.check(event);
    }

    pub(crate) fn insert(&mut self, text: &str, event: &'static EventDescriptor) {
        self.area.insert_str(text.replace("\r\n", "\n").replace('\r', "\n"));
        self.check(event);
    }

    pub(crate) fn text(&self) -> String {
        self.lines().join("\n")
    }

    pub(crate) fn lines(&self) -> &[String] {
        self.area.lines()
    }

    /// The line and the column of the cursor, from 0, in characters.
    pub(crate) fn cursor(&self) -> (usize, usize) {
        let cursor = self.area.cursor();
        (cursor.0, cursor.1)
    }

    /// The lines and columns between which text is selected.
    pub(crate) fn selected(&self) -> Option<((usize, usize), (usize, usize))> {
        self.area.selection_range().filter(|(begin, end)| begin != end)
    }

    /// Moves the cursor.
    pub(crate) fn jump(&mut self, line: usize, column: usize) {
        self.area.cancel_selection();
        let position = |place: usize| u16::try_from(place).unwrap_or(u16::MAX);
        self.area.move_cursor(CursorMove::Jump(position(line), position(column)));
    }

    /// Keeps the cursor on a screen of so many lines.
    pub(crate) fn scroll_to_cursor(&mut self, height: usize) {
        let line = self.cursor().0;
        self.top = self.top.min(line);
        if line >= self.top + height {
            self.top = line + 1 - height;
        }
    }

    /// Takes a key; `false`: it means nothing to the editor.
    pub(crate) fn key(&mut self, key: KeyEvent, event: &'static EventDescriptor) -> bool {
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        let has_edited = match key.code {
            KeyCode::Char('z') if is_control => self.area.undo(),
            KeyCode::Char('y') if is_control => self.area.redo(),
            KeyCode::Char('x') if is_control => self.area.cut(),
            KeyCode::Char('v') if is_control => self.area.paste(),
            KeyCode::Char('c') if is_control && self.selected().is_some() => {
                self.area.copy();
                false
            }
            KeyCode::Char('a') if is_control => {
                self.area.select_all();
                false
            }
            KeyCode::Char(_) if is_control || key.modifiers.contains(KeyModifiers::ALT) => return false,
            KeyCode::Esc | KeyCode::F(_) => return false,
            KeyCode::Enter => {
                // The new line begins below the first word of this one.
                let (line, column) = self.cursor();
                let indent: String =
                    self.lines()[line].chars().take(column).take_while(|letter| *letter == ' ').collect();
                self.area.insert_newline();
                self.area.insert_str(indent)
            }
            _ => self.area.input(key),
        };
        if has_edited || key.code == KeyCode::Enter {
            self.check(event);
        }
        true
    }

    fn check(&mut self, event: &'static EventDescriptor) {
        let text = self.text();
        self.checked = None;
        self.faults.clear();
        let payload: Value = match serde_json::from_str(&text) {
            Ok(payload) => payload,
            Err(error) => {
                let message = error.to_string();
                let message = message.split(" at line ").next().unwrap_or_default().to_owned();
                let line = error.line().saturating_sub(1).min(self.lines().len().saturating_sub(1));
                self.faults.push(Fault { line, pointer: String::new(), message });
                return;
            }
        };
        match PayloadBuilder::new(event).given(payload).build() {
            Ok(checked) => self.checked = Some(checked),
            Err(ClientError::Bus(error)) if !error.faults().is_empty() => {
                self.faults.extend(error.faults().iter().map(|fault| Fault {
                    line: line_of(&fault.pointer, &text),
                    pointer: fault.pointer.clone(),
                    message: fault.detail.clone(),
                }));
                self.faults.sort_by_key(|fault| fault.line);
            }
            Err(error) => self.faults.push(Fault { line: 0, pointer: String::new(), message: error.to_string() }),
        }
    }
}
