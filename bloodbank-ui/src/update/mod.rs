//! The update: a pure function of the state and a message, which says what is to be done.

mod events;
mod keys;
mod letters;
mod live;
mod mouse;
mod overlay;
mod queues;
mod reports;
mod trace;

use bloodbank_core::Registry;
use serde_json::Value;
use uuid::Uuid;

#[cfg(test)]
pub(crate) use self::keys::KEYS;
pub(crate) use self::keys::actions;
use crate::{
    message::{Effect, Message},
    state::{Focus, State, View},
};

/// Changes the state by a message, and says what is to be done.
pub(crate) fn update(state: &mut State, message: Message) -> Vec<Effect> {
    match message {
        Message::Tick(now) => {
            state.now = now;
            // An idle bus needs no new picture each second.
            state.is_changed |= state.live.tick();
            return queues::tick(state);
        }
        Message::Events { count, shown } => {
            state.live.add(count, shown);
            state.is_changed |= count > 0 && !(state.live.is_paused() && state.view == View::Live);
            return Vec::new();
        }
        _ => state.is_changed = true,
    }
    let effects = match message {
        Message::Key(key) => keys::key(state, key),
        Message::Mouse(mouse) => mouse::mouse(state, mouse),
        Message::Paste(text) => paste(state, &text),
        Message::Resize { width, height } => {
            (state.width, state.height) = (width, height);
            Vec::new()
        }
        Message::Link(link) => {
            // What could not be done while the bus was away is out of date.
            state.notice = None;
            state.link = link;
            Vec::new()
        }
        Message::History(result) => reports::remembered(state, result),
        Message::Published(result) => reports::published(state, result),
        Message::Replied(result) => reports::replied(state, result),
        Message::Traced { id, result } => {
            state.trace.show(id, result, &state.live);
            Vec::new()
        }
        Message::DeadLetters(result) => {
            state.letters.show(result);
            Vec::new()
        }
        Message::Queues(result) => {
            state.queues.show(result);
            Vec::new()
        }
        Message::Swept { action, result } => reports::swept(state, action, result),
        Message::Edited(result) => reports::edited(state, result),
        Message::Saved(result) => reports::saved(state, result),
        Message::Loaded(result) => reports::loaded(state, result),
        Message::Tick(_) | Message::Events { .. } => Vec::new(),
    };
    state.keep_on_screen();
    effects
}

fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    if state.overlay.is_some() {
        return Vec::new();
    }
    let first_line = text.lines().next().unwrap_or_default();
    if state.view == View::Events && state.tree.is_searching {
        let search = state.tree.search.clone() + first_line;
        state.tree.search(search);
        state.show_selected();
    } else if state.view == View::Live && state.live.is_filtering {
        let pattern = state.live.pattern.clone() + first_line;
        state.live.set_pattern(pattern);
    } else if let (View::Live, Some(since)) = (state.view, &mut state.live.since) {
        since.push_str(first_line);
    } else if let (View::Events, Focus::Editor, Some(event)) = (state.view, state.focus, state.event) {
        state.editor.insert(text, event);
    }
    Vec::new()
}

/// Shows another view; dead letters and queues are fetched when somebody looks.
fn show(state: &mut State, view: View) -> Vec<Effect> {
    state.view = view;
    if view == View::DeadLetters && !state.letters.is_loading {
        state.letters.is_loading = true;
        return vec![Effect::ListDeadLetters];
    }
    if view == View::Queues {
        return queues::ask(state);
    }
    Vec::new()
}

/// Shows the trace of an event.
fn trace_of(state: &mut State, id: Option<Uuid>) -> Vec<Effect> {
    let Some(id) = id else {
        state.complain("there is no event to trace: publish one, or select one");
        return Vec::new();
    };
    state.view = View::Trace;
    state.trace.load(id);
    vec![Effect::Trace(id)]
}

/// Brings the payload of an envelope into the editor; says whether the program knows its event.
fn edit_envelope(state: &mut State, envelope: &Value) -> bool {
    let key = envelope["event_type"].as_str().unwrap_or_default();
    let Some(event) = Registry::global().event(key) else {
        state.complain(format!("no event of this program has the key `{key}`"));
        return false;
    };
    state.show_with_payload(event, &envelope["payload"]);
    state.view = View::Events;
    state.focus = Focus::Editor;
    true
}
