//! The editor of a payload, and what is wrong with it.

use bloodbank_client::escape_controls;
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Paragraph, Wrap},
};
use unicode_width::UnicodeWidthStr;

use super::{framed, json};
use crate::{
    layout::{self, GUTTER},
    state::{Editor, Focus, State},
    text::tokens,
    theme::Theme,
};

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.options.theme;
    let is_focused = state.focus == Focus::Editor;
    let [text, faults] = layout::editor(area);
    let title = if state.replaces.is_some() { "Payload of a dead letter" } else { "Payload" };
    let inside = framed(frame, text, title, is_focused, theme);
    let editor = &state.editor;
    let (cursor_line, cursor_column) = editor.cursor();
    let width = usize::from(inside.width.saturating_sub(GUTTER));
    // Scrolled sideways by as much as the cursor needs.
    let before = |line: &str| line.chars().take(cursor_column).collect::<String>().width();
    let cursor_at = editor.lines().get(cursor_line).map_or(0, |line| before(line));
    let left = (cursor_at + 1).saturating_sub(width);
    for (place, y) in (editor.top..editor.lines().len()).zip(inside.top()..inside.bottom()) {
        let row = Rect { y, height: 1, ..inside };
        frame.render_widget(gutter(editor, place, theme), Rect { width: GUTTER, ..row });
        let line = Paragraph::new(line(editor, place, theme)).scroll((0, u16::try_from(left).unwrap_or(0)));
        frame.render_widget(line, Rect { x: row.x + GUTTER, width: row.width.saturating_sub(GUTTER), ..row });
    }
    if is_focused && state.overlay.is_none() {
        let x = inside.x + GUTTER + u16::try_from(cursor_at - left).unwrap_or(0);
        let y = inside.y + u16::try_from(cursor_line.saturating_sub(editor.top)).unwrap_or(0);
        frame.set_cursor_position((x, y));
    }
    checks(state, frame, faults);
}

/// The number of a line, marked where something is wrong.
fn gutter(editor: &Editor, place: usize, theme: Theme) -> Line<'static> {
    if editor.faults.iter().any(|fault| fault.line == place) {
        Line::styled(format!("✗{:>3} ", place + 1), theme.bad())
    } else {
        Line::styled(format!(" {:>3} ", place + 1), theme.dim())
    }
}

/// A line in colours, with what is selected of it.
fn line(editor: &Editor, place: usize, theme: Theme) -> Line<'static> {
    let text = &editor.lines()[place];
    let selected = editor.selected().map_or(0..0, |((begin, from), (end, to))| {
        let first = if place == begin { from } else { 0 };
        let last = if place == end { to } else { usize::MAX };
        if (begin..=end).contains(&place) { first..last } else { 0..0 }
    });
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut column = 0;
    for token in tokens(text) {
        let style = json::style(token.kind, theme);
        for character in text[token.range].chars() {
            let style = if selected.contains(&column) { style.patch(theme.selected()) } else { style };
            push(&mut spans, character, style);
            column += 1;
        }
    }
    Line::from(spans)
}

fn push(spans: &mut Vec<Span<'static>>, character: char, style: Style) {
    // What a terminal would obey takes one column here, so that the cursor stays right.
    let character =
        if escape_controls(character.encode_utf8(&mut [0; 4])).starts_with("\\u") { '·' } else { character };
    match spans.last_mut() {
        Some(last) if last.style == style => last.content.to_mut().push(character),
        _ => spans.push(Span::styled(character.to_string(), style)),
    }
}

/// What is wrong, or what would be published.
fn checks(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.options.theme;
    let editor = &state.editor;
    let title = match editor.faults.len() {
        0 => "Valid".to_owned(),
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    let inside = framed(frame, area, title, false, theme);
    let lines: Vec<Line<'_>> = match &editor.checked {
        Some(checked) => {
            let id = checked.event_id.map_or_else(|| "a new id".to_owned(), |id| id.to_string());
            let mut lines = vec![
                Line::from(vec![Span::styled("✓ ", theme.good()), Span::styled(&*checked.routing_key, theme.key())]),
                Line::styled(id, theme.dim()),
            ];
            if let Some(replaces) = &state.replaces {
                lines.push(Line::styled(format!("closes {}", replaces.handle), theme.warning()));
            }
            lines
        }
        None => editor
            .faults
            .iter()
            .map(|fault| {
                Line::from(vec![
                    Span::styled(format!("{}: ", fault.line + 1), theme.bad()),
                    Span::styled(format!("{} ", fault.pointer), theme.key()),
                    Span::raw(fault.message.clone()),
                ])
            })
            .collect(),
    };
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), inside);
}
