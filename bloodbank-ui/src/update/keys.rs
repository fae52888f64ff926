//! Keys: those that mean the same everywhere, and what all of them are called.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{events, letters, live, overlay, queues, show, trace, trace_of};
use crate::{
    layout,
    message::Effect,
    state::{Focus, Overlay, Selection, State, View},
};

/// A key and what it does.
type Named = (&'static str, &'static str);

/// Every key, by the part of the screen in which it means something.
pub(crate) const KEYS: &[(&str, &[Named])] = &[
    (
        "Everywhere",
        &[
            ("F2 … F6", "events, live, trace, dead letters, queues; also 1 … 5 outside of texts"),
            ("Ctrl-T", "trace the selected event, otherwise the one that was published last"),
            ("F1 ?", "this help"),
            ("Ctrl-Q q", "quit"),
            ("mouse", "click selects, the wheel scrolls"),
        ],
    ),
    (
        "Events",
        &[
            ("Tab Shift-Tab", "tree, schema, editor"),
            ("/", "search the tree; the letters in their order are enough"),
            ("← →", "close and open a part of the tree"),
            ("Enter", "to the editor"),
            ("Ctrl-P", "publish"),
            ("Ctrl-R", "execute a command and wait for its reply"),
            ("Ctrl-G", "a made-up payload: the declared example, or one from the schema"),
            ("Ctrl-E", "edit in $EDITOR"),
            ("Ctrl-S Ctrl-O", "save to and load from mocks/<key>.json"),
        ],
    ),
    (
        "Editor",
        &[
            ("Ctrl-Z Ctrl-Y", "undo, redo"),
            ("Shift-arrows Ctrl-A", "select"),
            ("Ctrl-X Ctrl-C Ctrl-V", "cut, copy, paste"),
            ("Esc", "back to the tree"),
        ],
    ),
    (
        "Live",
        &[
            ("/", "filter by a pattern: * is one word, # any number of words"),
            ("Space", "pause, go on"),
            ("↑ ↓", "select; the list pauses"),
            ("Enter", "the whole envelope"),
            ("h", "the last hour too, where the bus remembers events"),
            ("H", "since when you say: 15m, 2d, a time; between two: 3h..1h"),
            ("e", "bring the payload into the editor"),
        ],
    ),
    (
        "Trace",
        &[
            ("← →", "fold, unfold"),
            ("Enter", "the whole envelope, where it was seen"),
            ("e", "bring the payload into the editor"),
            ("h", "the payloads of the last hour, where the bus remembers events"),
            ("r", "load again"),
        ],
    ),
    (
        "Dead letters",
        &[
            ("← →", "close and open a group"),
            ("Enter", "the whole dead letter"),
            ("r", "redrive: back to the subscriber that gave them up"),
            ("e", "edit, then Ctrl-P: publishes a new event and closes the dead letter"),
            ("d", "discard, after a question"),
            ("g", "fetch again"),
        ],
    ),
    (
        "Queues",
        &[
            ("Enter", "all that is known of a queue"),
            ("d", "to the dead letters"),
            ("g", "ask again; it is asked every five seconds anyway"),
        ],
    ),
];

/// The keys that the line of actions shows.
pub(crate) fn actions(state: &State) -> &'static [Named] {
    match (state.view, state.focus) {
        _ if matches!(state.overlay, Some(Overlay::Confirm { .. })) => &[("y", "yes"), ("n", "no")],
        _ if state.overlay.is_some() => &[("Esc", "close"), ("↑↓", "scroll")],
        (View::Events, _) if state.tree.is_searching => &[("Enter", "select"), ("↑↓", "next")],
        (View::Live, _) if state.live.is_filtering => &[("Enter", "filter"), ("Esc", "no filter")],
        (View::Events, Focus::Tree | Focus::Schema) => &[
            ("F1", "help"),
            ("q", "quit"),
            ("/", "search"),
            ("Tab", "next"),
            ("^P", "publish"),
            ("^R", "execute"),
            ("^G", "mock"),
        ],
        (View::Events, Focus::Editor) => &[
            ("F1", "help"),
            ("Esc", "tree"),
            ("^P", "publish"),
            ("^R", "execute"),
            ("^G", "mock"),
            ("^S", "save"),
            ("^O", "load"),
            ("^E", "$EDITOR"),
        ],
        (View::Live, _) if state.live.since.is_some() => &[("Enter", "ask"), ("Esc", "close")],
        (View::Live, _) => &[
            ("F1", "help"),
            ("q", "quit"),
            ("/", "filter"),
            ("Space", "pause"),
            ("Enter", "whole"),
            ("^T", "trace"),
            ("e", "edit"),
            ("h", "history"),
        ],
        (View::Trace, _) => &[
            ("F1", "help"),
            ("q", "quit"),
            ("←→", "fold"),
            ("Enter", "whole"),
            ("e", "edit"),
            ("r", "reload"),
            ("h", "history"),
        ],
        (View::DeadLetters, _) => &[
            ("F1", "help"),
            ("q", "quit"),
            ("→", "open"),
            ("r", "redrive"),
            ("e", "edit"),
            ("d", "discard"),
            ("g", "refresh"),
            ("^T", "trace"),
        ],
        (View::Queues, _) => {
            &[("F1", "help"), ("q", "quit"), ("Enter", "whole"), ("d", "dead letters"), ("g", "refresh")]
        }
    }
}

pub(super) fn key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    if key.code == KeyCode::Char('q') && is_control(key) {
        return vec![Effect::Quit];
    }
    if state.overlay.is_some() {
        return overlay::key(state, key);
    }
    state.notice = None;
    if key.code == KeyCode::Char('c') && is_control(key) {
        let copies = state.view == View::Events && state.focus == Focus::Editor && state.editor.selected().is_some();
        if !copies {
            return vec![Effect::Quit];
        }
    }
    if is_control(key) && key.code == KeyCode::Char('t') {
        let id = current_event(state);
        return trace_of(state, id);
    }
    if let Some(view) = view_of(key.code, takes_text(state)) {
        return show(state, view);
    }
    match key.code {
        KeyCode::F(1) => return overlay::help(state),
        KeyCode::Char('?') if !takes_text(state) => return overlay::help(state),
        KeyCode::Char('q') if !takes_text(state) => return vec![Effect::Quit],
        _ => {}
    }
    match state.view {
        View::Events => events::key(state, key),
        View::Live => live::key(state, key),
        View::Trace => trace::key(state, key),
        View::DeadLetters => letters::key(state, key),
        View::Queues => queues::key(state, key),
    }
}

pub(super) fn is_control(key: KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL)
}

/// Whether letters are typed into something.
fn takes_text(state: &State) -> bool {
    match state.view {
        View::Events => state.tree.is_searching || state.focus == Focus::Editor,
        View::Live => state.live.is_filtering || state.live.since.is_some(),
        View::Trace | View::DeadLetters | View::Queues => false,
    }
}

fn view_of(code: KeyCode, takes_text: bool) -> Option<View> {
    let place = match code {
        KeyCode::F(number @ 2..=6) => usize::from(number) - 2,
        KeyCode::Char(digit @ '1'..='5') if !takes_text => digit as usize - '1' as usize,
        _ => return None,
    };
    View::ALL.get(place).copied()
}

/// The event that is selected, otherwise the one that was published last.
fn current_event(state: &State) -> Option<uuid::Uuid> {
    let selected = match state.view {
        View::Events => None,
        View::Live => state.live.selected().and_then(|event| event.event_id),
        View::Trace => state.trace.selected().map(|row| row.event.event_id),
        View::DeadLetters => state.letters.selected_letters().first().and_then(|letter| letter.event_id),
        View::Queues => None,
    };
    selected.or(state.last_published)
}

/// Moves a selection by the keys that all lists know; `false`: the key is none of them.
pub(super) fn moved(code: KeyCode, selection: &mut Selection, count: usize, page: usize) -> bool {
    let page = isize::try_from(page).unwrap_or(1).max(1);
    let rows = match code {
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::PageUp => -page,
        KeyCode::PageDown => page,
        KeyCode::Home => isize::MIN,
        KeyCode::End => isize::MAX,
        _ => return false,
    };
    selection.move_by(rows, count);
    true
}

/// A text of one line that is typed into.
pub(super) fn typed(code: KeyCode, text: &str) -> Option<String> {
    let mut text = text.to_owned();
    match code {
        KeyCode::Char(letter) => text.push(letter),
        KeyCode::Backspace => drop(text.pop()),
        _ => return None,
    }
    Some(text)
}

impl State {
    /// The rows of the list of a view.
    pub(crate) fn list_height(&self) -> usize {
        let body = self.frame().body;
        let area = match self.view {
            View::Events => layout::columns(body)[0],
            View::Live => layout::live(body)[1],
            View::Trace | View::DeadLetters => layout::list_and_details(body)[0],
            View::Queues => layout::queues(body)[0],
        };
        // The first row of these is the search, or the titles.
        let above = usize::from(matches!(self.view, View::Events | View::Queues));
        usize::from(layout::inside(area).height).saturating_sub(above).max(1)
    }

    /// Scrolls so that what is selected, and the cursor, are on the screen.
    pub(super) fn keep_on_screen(&mut self) {
        let height = self.list_height();
        match self.view {
            View::Events => {
                self.tree.selection = self.tree.selection.on_screen(height, self.tree.rows.len());
                let area = layout::editor(layout::columns(self.frame().body)[2])[0];
                self.editor.scroll_to_cursor(usize::from(layout::inside(area).height).max(1));
            }
            View::Live => self.live.selection = self.live.selection.on_screen(height, self.live.shown().len()),
            View::Trace => self.trace.selection = self.trace.selection.on_screen(height, self.trace.rows.len()),
            View::DeadLetters => {
                self.letters.selection = self.letters.selection.on_screen(height, self.letters.rows.len());
            }
            View::Queues => {
                self.queues.selection = self.queues.selection.on_screen(height, self.queues.report.queues.len());
            }
        }
    }
}
