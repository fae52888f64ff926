//! Keys on queues.

use crossterm::event::{KeyCode, KeyEvent};

use super::{keys::moved, show};
use crate::{
    document::Document,
    message::Effect,
    state::{Overlay, State, View},
    text::pretty,
};

pub(super) fn key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let page = state.list_height();
    if moved(key.code, &mut state.queues.selection, state.queues.report.queues.len(), page) {
        return Vec::new();
    }
    match key.code {
        KeyCode::Enter => {
            if let Some(queue) = state.queues.selected() {
                let document = Document::new(queue.status.name.clone(), &pretty(queue));
                state.overlay = Some(Overlay::Document(document));
            }
        }
        KeyCode::Char('d') => return show(state, View::DeadLetters),
        KeyCode::Char('g') => return ask(state),
        _ => {}
    }
    Vec::new()
}

/// Asks for the queues, unless somebody does already.
pub(super) fn ask(state: &mut State) -> Vec<Effect> {
    if state.queues.ask(state.now) { vec![Effect::ListQueues] } else { Vec::new() }
}

/// Asks again after a while, while somebody looks.
pub(super) fn tick(state: &mut State) -> Vec<Effect> {
    if state.view == View::Queues && state.queues.is_old(state.now) { ask(state) } else { Vec::new() }
}
