//! Keys on the live stream.

use chrono::TimeDelta;
use crossterm::event::{KeyCode, KeyEvent};
use serde_json::Value;

use super::{
    edit_envelope,
    keys::{moved, typed},
};
use crate::{
    document::Document,
    message::{Effect, SeenEvent},
    state::{Overlay, State},
    text::pretty,
};

pub(super) fn key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if state.live.is_filtering {
        filter(state, key.code);
        return Vec::new();
    }
    let page = state.list_height();
    let mut selection = state.live.selection;
    if moved(key.code, &mut selection, state.live.shown().len(), page) {
        // Otherwise the row would be another one by the time it is looked at.
        state.live.pause(true);
        state.live.selection = selection;
        return Vec::new();
    }
    match key.code {
        KeyCode::Char('/') => state.live.is_filtering = true,
        KeyCode::Char(' ') | KeyCode::Esc => {
            let pauses = !state.live.is_paused() && key.code != KeyCode::Esc;
            state.live.pause(pauses);
        }
        KeyCode::Char('h') => return ask_for_history(state),
        KeyCode::Enter => {
            if let Some(event) = state.live.selected() {
                state.live.pause(true);
                state.overlay = Some(envelope(&event));
            }
        }
        KeyCode::Char('e') => {
            if let Some(event) = state.live.selected() {
                edit_envelope(state, &serde_json::from_slice(&event.body).unwrap_or_default());
            }
        }
        _ => {}
    }
    Vec::new()
}

/// Asks the bus for the last hour.
pub(super) fn ask_for_history(state: &mut State) -> Vec<Effect> {
    state.say("asking for the last hour …");
    vec![Effect::History(state.now - TimeDelta::hours(1))]
}

/// The whole envelope of an event.
pub(super) fn envelope(event: &SeenEvent) -> Overlay {
    let text = match serde_json::from_slice::<Value>(&event.body) {
        Ok(envelope) => pretty(&envelope),
        Err(_) => String::from_utf8_lossy(&event.body).into_owned(),
    };
    Overlay::Document(Document::new(event.event_type.clone(), &text))
}

fn filter(state: &mut State, code: KeyCode) {
    match code {
        KeyCode::Enter if state.live.pattern_fault.is_none() => state.live.is_filtering = false,
        KeyCode::Esc => {
            state.live.is_filtering = false;
            state.live.set_pattern(String::new());
        }
        _ => {
            if let Some(pattern) = typed(code, &state.live.pattern) {
                state.live.set_pattern(pattern);
            }
        }
    }
}
