//! What lies over the view: help, a document, a question.

use crossterm::event::{KeyCode, KeyEvent};

use ratatui::layout::Rect;

use super::keys::KEYS;
use crate::{
    document::Document,
    layout,
    message::Effect,
    state::{Overlay, State},
};

/// The columns for the names of keys in the help.
const KEY_WIDTH: usize = 20;

pub(super) fn key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let page = isize::try_from(state.list_height()).unwrap_or(1);
    match (&mut state.overlay, key.code) {
        (Some(Overlay::Confirm { effect, .. }), KeyCode::Char('y')) => {
            let effect = (**effect).clone();
            state.overlay = None;
            return vec![effect];
        }
        (Some(Overlay::Confirm { .. }), KeyCode::Char('n')) => state.overlay = None,
        (_, KeyCode::Esc | KeyCode::Char('q')) => state.overlay = None,
        (Some(Overlay::Help(_)), KeyCode::F(1) | KeyCode::Char('?')) => state.overlay = None,
        (Some(Overlay::Help(_) | Overlay::Document(_)), KeyCode::Enter) => state.overlay = None,
        (Some(Overlay::Help(document) | Overlay::Document(document)), code) => match code {
            KeyCode::Up | KeyCode::Char('k') => document.scroll(-1),
            KeyCode::Down | KeyCode::Char('j') => document.scroll(1),
            KeyCode::PageUp => document.scroll(-page),
            KeyCode::PageDown => document.scroll(page),
            KeyCode::Home => document.scroll(isize::MIN),
            KeyCode::End => document.scroll(isize::MAX),
            _ => {}
        },
        _ => {}
    }
    Vec::new()
}

/// Shows every key.
pub(super) fn help(state: &mut State) -> Vec<Effect> {
    let area = layout::overlay(Rect::new(0, 0, state.width, state.height));
    // Its border, a column beside it, the indent and the space after the keys.
    let width = usize::from(area.width).saturating_sub(KEY_WIDTH + 7);
    let mut text = String::new();
    for (part, keys) in KEYS {
        text.push_str(&format!("{part}\n"));
        for (key, does) in *keys {
            for (place, line) in wrapped(does, width).into_iter().enumerate() {
                let key = if place == 0 { key } else { "" };
                text.push_str(&format!("  {key:<KEY_WIDTH$} {line}\n"));
            }
        }
        text.push('\n');
    }
    state.overlay = Some(Overlay::Help(Document::new("Keys", &text)));
    Vec::new()
}

/// The words of a text on lines of so many columns.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Asks before something is done.
pub(super) fn ask(state: &mut State, question: &str, effect: Effect) {
    let question = Document::new("Are you sure?", &format!("{question}\n\ny: yes   n: no"));
    state.overlay = Some(Overlay::Confirm { question, effect: Box::new(effect) });
}
