//! Keys on the tree, the schema and the editor.

use crossterm::event::{KeyCode, KeyEvent};

use bloodbank_core::EventKind;

use super::keys::{is_control, moved, typed};
use crate::{
    message::Effect,
    state::{Focus, State},
};

pub(super) fn key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if state.tree.is_searching {
        search(state, key.code);
        return Vec::new();
    }
    if is_control(key)
        && let KeyCode::Char(letter) = key.code
        && let Some(effects) = command(state, letter)
    {
        return effects;
    }
    match key.code {
        KeyCode::Tab => state.focus = next(state.focus),
        KeyCode::BackTab => state.focus = next(next(state.focus)),
        _ => match state.focus {
            Focus::Tree => tree(state, key.code),
            Focus::Schema => schema(state, key.code),
            Focus::Editor => editor(state, key),
        },
    }
    Vec::new()
}

/// What is done with the payload, wherever the keys go.
fn command(state: &mut State, letter: char) -> Option<Vec<Effect>> {
    let event = state.event?;
    let key = event.routing_key().to_owned();
    Some(match letter {
        'p' => publish(state),
        'r' => execute(state, event.kind()),
        'g' => {
            state.editor.mock(event);
            state.replaces = None;
            Vec::new()
        }
        'e' => vec![Effect::EditExternally(state.editor.text())],
        's' => vec![Effect::Save { key, text: state.editor.text() }],
        'o' => vec![Effect::Load { key }],
        _ => return None,
    })
}

fn publish(state: &mut State) -> Vec<Effect> {
    match state.editor.checked.clone() {
        Some(event) => {
            state.say(format!("publishing {} …", event.routing_key));
            vec![Effect::Publish { event, replaces: state.replaces.clone() }]
        }
        None => refuse(state),
    }
}

fn execute(state: &mut State, kind: EventKind) -> Vec<Effect> {
    if kind != EventKind::Command {
        state.complain("only commands are executed; Ctrl-P publishes this event");
        return Vec::new();
    }
    match state.editor.checked.clone() {
        Some(event) => {
            state.say(format!("executing {} …", event.routing_key));
            vec![Effect::Execute(event)]
        }
        None => refuse(state),
    }
}

/// Nothing is sent that would be refused; the cursor goes to the first fault.
fn refuse(state: &mut State) -> Vec<Effect> {
    if let Some(fault) = state.editor.faults.first().cloned() {
        state.editor.jump(fault.line, 0);
        state.focus = Focus::Editor;
        state.complain(format!("nothing was sent: line {}: {}", fault.line + 1, fault.message));
    }
    Vec::new()
}

fn next(focus: Focus) -> Focus {
    match focus {
        Focus::Tree => Focus::Schema,
        Focus::Schema => Focus::Editor,
        Focus::Editor => Focus::Tree,
    }
}

fn search(state: &mut State, code: KeyCode) {
    match code {
        KeyCode::Esc | KeyCode::Enter | KeyCode::Tab => {
            // What was found stays selected, in the whole tree.
            state.tree.is_searching = false;
            let selected = state.tree.selected().map(|row| row.path.clone());
            state.tree.search(String::new());
            if let Some(selected) = selected {
                state.tree.select(&selected);
            }
        }
        KeyCode::Up | KeyCode::Down => {
            moved(code, &mut state.tree.selection, state.tree.rows.len(), 1);
        }
        _ => {
            if let Some(search) = typed(code, &state.tree.search) {
                state.tree.search(search);
            }
        }
    }
    state.show_selected();
}

fn tree(state: &mut State, code: KeyCode) {
    let page = state.list_height();
    if moved(code, &mut state.tree.selection, state.tree.rows.len(), page) {
        state.show_selected();
        return;
    }
    match code {
        KeyCode::Left => state.tree.set_open(false),
        KeyCode::Right => state.tree.set_open(true),
        KeyCode::Char(' ') => state.tree.toggle(),
        KeyCode::Enter => {
            if state.tree.selected_event().is_some() {
                state.focus = Focus::Editor;
            } else {
                state.tree.toggle();
            }
        }
        KeyCode::Char('/') => state.tree.is_searching = true,
        _ => {}
    }
    state.show_selected();
}

fn schema(state: &mut State, code: KeyCode) {
    let page = isize::try_from(state.list_height()).unwrap_or(1);
    match code {
        KeyCode::Up | KeyCode::Char('k') => state.schema.scroll(-1),
        KeyCode::Down | KeyCode::Char('j') => state.schema.scroll(1),
        KeyCode::PageUp => state.schema.scroll(-page),
        KeyCode::PageDown => state.schema.scroll(page),
        KeyCode::Home => state.schema.scroll(isize::MIN),
        KeyCode::Char('/') => {
            state.focus = Focus::Tree;
            state.tree.is_searching = true;
        }
        KeyCode::Esc => state.focus = Focus::Tree,
        _ => {}
    }
}

fn editor(state: &mut State, key: KeyEvent) {
    let Some(event) = state.event else { return };
    if !state.editor.key(key, event) && key.code == KeyCode::Esc {
        state.focus = Focus::Tree;
    }
}
