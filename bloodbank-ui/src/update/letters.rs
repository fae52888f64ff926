//! Keys on dead letters.

use bloodbank_client::SweepAction;
use crossterm::event::{KeyCode, KeyEvent};

use super::{edit_envelope, keys::moved, overlay};
use crate::{
    document::Document,
    message::{Effect, LetterId},
    state::{LetterRow, Overlay, State},
    text::pretty,
};

pub(super) fn key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let page = state.list_height();
    if moved(key.code, &mut state.letters.selection, state.letters.rows.len(), page) {
        return Vec::new();
    }
    match key.code {
        KeyCode::Left => state.letters.set_open(false),
        KeyCode::Right => state.letters.set_open(true),
        KeyCode::Enter => match (state.letters.selected(), state.letters.selected_letters()) {
            (Some(LetterRow::Group(_)), _) => state.letters.set_open(true),
            (Some(LetterRow::Letter(..)), [letter, ..]) => {
                let document = Document::new(letter.event_type.clone(), &pretty(letter));
                state.overlay = Some(Overlay::Document(document));
            }
            _ => {}
        },
        KeyCode::Char('g') if !state.letters.is_loading => {
            state.letters.is_loading = true;
            return vec![Effect::ListDeadLetters];
        }
        KeyCode::Char('r') => return sweep(state, SweepAction::Redrive),
        KeyCode::Char('d') => return sweep(state, SweepAction::Discard),
        KeyCode::Char('e') => edit(state),
        _ => {}
    }
    Vec::new()
}

fn sweep(state: &mut State, action: SweepAction) -> Vec<Effect> {
    let letters = state.letters.selected_ids();
    let Some(first) = letters.first() else { return Vec::new() };
    let count = match letters.len() {
        1 => format!("dead letter {}", first.handle),
        count => format!("all {count} dead letters of this group"),
    };
    let queue = first.queue.clone();
    let is_one = letters.len() == 1;
    let effect = Effect::Sweep { action, letters };
    match action {
        SweepAction::Redrive if is_one => return vec![effect],
        SweepAction::Redrive => overlay::ask(state, &format!("Redrive {count}? They go back to {queue}."), effect),
        SweepAction::Discard => overlay::ask(state, &format!("Discard {count} of {queue} for good?"), effect),
    }
    Vec::new()
}

/// Brings the payload of a dead letter into the editor; publishing it closes the dead letter.
fn edit(state: &mut State) {
    let [letter] = state.letters.selected_letters() else {
        state.complain("select one dead letter: → opens the group");
        return;
    };
    // What replaces it names it as its cause.
    let (Some(_), Some(message)) = (letter.event_id, letter.message.clone()) else {
        state.complain("this dead letter has no event id or no message that can be read");
        return;
    };
    let replaces = LetterId::of(letter);
    if edit_envelope(state, &message) {
        state.replaces = Some(replaces);
        state.say("Ctrl-P publishes this as a new event to all subscribers, caused by the old one, and closes the dead letter");
    }
}
