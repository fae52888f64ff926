//! The events: their tree, the schema and the payload of one.

use bloodbank_core::EventKind;
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{editor, framed, rows, schema};
use crate::{
    layout,
    state::{Focus, State, TreeRow},
    theme::Theme,
};

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let [left, middle, right] = layout::columns(body);
    tree(state, frame, left);
    schema::draw(state, frame, middle);
    editor::draw(state, frame, right);
}

fn tree(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.options.theme;
    let tree = &state.tree;
    let title = format!("Events ({})", tree.count());
    let inside = framed(frame, area, title, state.focus == Focus::Tree, theme);
    let search = Rect { height: 1, ..inside };
    let line = match (tree.is_searching, tree.search.is_empty()) {
        (false, true) => Line::styled("/ search", theme.dim()),
        _ => Line::from(vec![Span::styled("/ ", theme.focused()), Span::raw(tree.search.clone())]),
    };
    frame.render_widget(line, search);
    if tree.is_searching {
        let end = inside.x + 2 + u16::try_from(tree.search.chars().count()).unwrap_or(0);
        frame.set_cursor_position((end.min(inside.right().saturating_sub(1)), inside.y));
    }
    let list = Rect { y: inside.y + 1, height: inside.height.saturating_sub(1), ..inside };
    rows(frame, list, tree.selection, theme, tree.rows.len(), |place| row(&tree.rows[place], theme));
}

fn row(row: &TreeRow, theme: Theme) -> Line<'static> {
    let indent = "  ".repeat(row.depth);
    let (mark, style) = match row.kind {
        None if row.is_open => ("▾ ", theme.heading()),
        None => ("▸ ", theme.heading()),
        Some(EventKind::Fact) => ("  ", Style::new()),
        Some(EventKind::Command) => ("! ", theme.command()),
        Some(EventKind::Failure) => ("✗ ", theme.bad()),
    };
    let mut spans = vec![Span::raw(indent), Span::styled(mark, style), Span::styled(row.label.clone(), style)];
    if row.kind.is_none() && !row.is_open {
        spans.push(Span::styled(format!(" ({})", row.count), theme.dim()));
    }
    Line::from(spans)
}
