//! Keys on a trace.

use crossterm::event::{KeyCode, KeyEvent};

use super::{edit_envelope, keys::moved, live};
use crate::{message::Effect, state::State};

pub(super) fn key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let page = state.list_height();
    if moved(key.code, &mut state.trace.selection, state.trace.rows.len(), page) {
        return Vec::new();
    }
    match key.code {
        KeyCode::Left => state.trace.set_open(false),
        KeyCode::Right => state.trace.set_open(true),
        KeyCode::Char('h') => return live::ask_for_history(state),
        KeyCode::Char('r') => return state.trace.around.map(Effect::Trace).into_iter().collect(),
        KeyCode::Enter | KeyCode::Char('e') => {
            let seen = state.trace.selected().and_then(|row| state.live.find(row.event.event_id)).cloned();
            match (seen, key.code) {
                (Some(event), KeyCode::Enter) => state.overlay = Some(live::envelope(&event)),
                (Some(event), _) => {
                    edit_envelope(state, &serde_json::from_slice(&event.body).unwrap_or_default());
                }
                (None, _) => state.complain("this event was published before anybody watched; h asks the bus for it"),
            }
        }
        _ => {}
    }
    Vec::new()
}
