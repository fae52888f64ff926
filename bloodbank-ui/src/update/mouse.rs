//! The mouse: a click selects, the wheel scrolls.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::{keys, show};
use crate::{
    layout::{self, GUTTER},
    message::Effect,
    state::{Focus, State, View},
};

/// The rows by which the wheel scrolls.
const WHEEL: isize = 3;

pub(super) fn mouse(state: &mut State, mouse: MouseEvent) -> Vec<Effect> {
    let position = Position { x: mouse.column, y: mouse.row };
    match mouse.kind {
        MouseEventKind::Down(MouseButton::Left) if state.overlay.is_none() => click(state, position),
        MouseEventKind::ScrollUp => wheel(state, position, KeyCode::Up),
        MouseEventKind::ScrollDown => wheel(state, position, KeyCode::Down),
        _ => Vec::new(),
    }
}

fn click(state: &mut State, position: Position) -> Vec<Effect> {
    let frame = state.frame();
    if frame.tabs.contains(position) {
        let view = View::tabs().find(|(_, columns)| columns.contains(&position.x)).map(|(view, _)| view);
        return view.map(|view| show(state, view)).unwrap_or_default();
    }
    match state.view {
        View::Events => click_events(state, position),
        View::Live => {
            let row = row_in(layout::live(frame.body)[1], position);
            if let Some(row) =
                row.map(|row| row + state.live.selection.top).filter(|row| *row < state.live.shown().len())
            {
                state.live.pause(true);
                state.live.selection.index = row;
            }
        }
        View::Trace => {
            let row = row_in(layout::list_and_details(frame.body)[0], position);
            if let Some(row) =
                row.map(|row| row + state.trace.selection.top).filter(|row| *row < state.trace.rows.len())
            {
                state.trace.selection.index = row;
            }
        }
        View::DeadLetters => {
            let row = row_in(layout::list_and_details(frame.body)[0], position);
            let count = state.letters.rows.len();
            if let Some(row) = row.map(|row| row + state.letters.selection.top).filter(|row| *row < count) {
                state.letters.selection.index = row;
            }
        }
        View::Queues => {
            // The first row has the titles.
            let row = row_in(layout::queues(frame.body)[0], position).and_then(|row| row.checked_sub(1));
            let count = state.queues.report.queues.len();
            if let Some(row) = row.map(|row| row + state.queues.selection.top).filter(|row| *row < count) {
                state.queues.selection.index = row;
            }
        }
    }
    Vec::new()
}

fn click_events(state: &mut State, position: Position) {
    let [tree, schema, right] = layout::columns(state.frame().body);
    let [editor, _] = layout::editor(right);
    if tree.contains(position) {
        state.focus = Focus::Tree;
        // The first row is the search.
        match row_in(tree, position) {
            Some(0) => state.tree.is_searching = true,
            Some(row) if row - 1 + state.tree.selection.top < state.tree.rows.len() => {
                state.tree.selection.index = row - 1 + state.tree.selection.top;
                state.tree.toggle();
                state.show_selected();
            }
            _ => {}
        }
    } else if schema.contains(position) {
        state.focus = Focus::Schema;
    } else if let Some(row) = row_in(editor, position) {
        state.focus = Focus::Editor;
        let column = usize::from(position.x.saturating_sub(editor.x + 1 + GUTTER));
        state.editor.jump(state.editor.top + row, column);
    }
}

/// The row within the border of an area.
fn row_in(area: Rect, position: Position) -> Option<usize> {
    let inside = layout::inside(area);
    inside.contains(position).then(|| usize::from(position.y - inside.y))
}

/// The wheel is several arrows on the part under the mouse.
fn wheel(state: &mut State, position: Position, code: KeyCode) -> Vec<Effect> {
    let focus = state.focus;
    if state.view == View::Events && state.overlay.is_none() {
        let [tree, schema, _] = layout::columns(state.frame().body);
        state.focus = if tree.contains(position) {
            Focus::Tree
        } else if schema.contains(position) {
            Focus::Schema
        } else {
            Focus::Editor
        };
    }
    let mut effects = Vec::new();
    for _ in 0..WHEEL {
        effects.extend(keys::key(state, KeyEvent::new(code, KeyModifiers::NONE)));
    }
    state.focus = focus;
    effects
}
