//! What lies over the view: help, a document, a question.

use crossterm::event::{KeyCode, KeyEvent};

use super::keys::KEYS;
use crate::{
    document::Document,
    message::Effect,
    state::{Overlay, State},
};

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
    let mut text = String::new();
    for (part, keys) in KEYS {
        text.push_str(&format!("{part}\n"));
        for (key, does) in *keys {
            text.push_str(&format!("  {key:<22} {does}\n"));
        }
        text.push('\n');
    }
    state.overlay = Some(Overlay::Help(Document::new("Keys", &text)));
    Vec::new()
}

/// Asks before something is done.
pub(super) fn ask(state: &mut State, question: &str, effect: Effect) {
    let question = Document::new("Are you sure?", &format!("{question}\n\ny: yes   n: no"));
    state.overlay = Some(Overlay::Confirm { question, effect: Box::new(effect) });
}
