//! Keys on the live stream.

use bloodbank_client::past_time;
use chrono::{DateTime, TimeDelta, Utc};
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
    if let Some(since) = state.live.since.clone() {
        return type_since(state, key.code, &since);
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
        KeyCode::Char('H') => state.live.since = Some(String::new()),
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
    vec![Effect::History { since: state.now - TimeDelta::hours(1), until: None }]
}

/// Types since when, and until when, the bus is asked.
fn type_since(state: &mut State, code: KeyCode, since: &str) -> Vec<Effect> {
    state.live.since_fault = None;
    match code {
        KeyCode::Enter => match period(since, state.now) {
            Ok((since, until)) => {
                state.live.since = None;
                let shown = |time: DateTime<Utc>| time.format("%d.%m.%Y %H:%M:%S").to_string();
                let end = until.map(|until| format!(" until {}", shown(until))).unwrap_or_default();
                state.say(format!("asking for what was published since {}{end} …", shown(since)));
                return vec![Effect::History { since, until }];
            }
            Err(fault) => state.live.since_fault = Some(fault),
        },
        KeyCode::Esc => state.live.since = None,
        _ => {
            if let Some(since) = typed(code, since) {
                state.live.since = Some(since);
            }
        }
    }
    Vec::new()
}

/// Reads since when (`3h`), or since when and until when (`3h..1h`).
fn period(text: &str, now: DateTime<Utc>) -> Result<(DateTime<Utc>, Option<DateTime<Utc>>), String> {
    let time = |text: &str| past_time(text.trim(), now);
    let Some((since, until)) = text.split_once("..") else { return Ok((time(text)?, None)) };
    let (since, until) = (time(since)?, time(until)?);
    if until <= since {
        return Err("the end is not after the beginning; write the earlier time first, such as 3h..1h".to_owned());
    }
    Ok((since, Some(until)))
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
