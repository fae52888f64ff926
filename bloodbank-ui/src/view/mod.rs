//! The view: draws the state.

mod editor;
mod events;
mod json;
mod letters;
mod live;
mod overlay;
mod queues;
mod schema;
mod status;
mod trace;

use bloodbank_client::escape_controls;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Block, BorderType, Paragraph},
};

use crate::{
    layout,
    state::{Selection, State, View},
    theme::Theme,
};

/// Draws the state.
pub(crate) fn view(state: &State, frame: &mut Frame<'_>) {
    let screen = frame.area();
    if !layout::fits(screen.width, screen.height) {
        let (width, height) = layout::SMALLEST;
        let text = format!("this terminal has {}×{}; make it {width}×{height} or larger", screen.width, screen.height);
        frame.render_widget(Paragraph::new(text).centered(), screen);
        return;
    }
    let parts = layout::frame(screen);
    status::tabs(state, frame, parts.tabs);
    match state.view {
        View::Events => events::draw(state, frame, parts.body),
        View::Live => live::draw(state, frame, parts.body),
        View::Trace => trace::draw(state, frame, parts.body),
        View::DeadLetters => letters::draw(state, frame, parts.body),
        View::Queues => queues::draw(state, frame, parts.body),
    }
    status::actions(state, frame, parts.actions);
    status::status(state, frame, parts.status);
    overlay::draw(state, frame, screen);
}

/// A border with a title; draws it, and gives the part within it.
fn framed(frame: &mut Frame<'_>, area: Rect, title: impl Into<String>, is_focused: bool, theme: Theme) -> Rect {
    let style = if is_focused { theme.focused() } else { theme.dim() };
    let kind = if is_focused { BorderType::Thick } else { BorderType::Plain };
    let title = Line::styled(format!(" {} ", title.into()), theme.heading());
    let block = Block::bordered().border_type(kind).border_style(style).title(title);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    inside
}

/// Draws the rows of a list that are on the screen, the selected one over the whole width.
fn rows<'a>(
    frame: &mut Frame<'_>,
    area: Rect,
    selection: Selection,
    theme: Theme,
    count: usize,
    row: impl Fn(usize) -> Line<'a>,
) {
    let selection = selection.on_screen(usize::from(area.height).max(1), count);
    for (place, y) in (selection.top..count).zip(area.top()..area.bottom()) {
        let mut line = row(place);
        if place == selection.index {
            line = line.style(theme.selected());
        }
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

/// The same text in so many columns: cut, or filled up.
fn column(text: &str, width: usize) -> String {
    use unicode_width::UnicodeWidthChar;
    let mut shown = String::new();
    let mut used = 0;
    for character in escape_controls(text).chars() {
        let next = used + character.width().unwrap_or(0);
        if next > width {
            shown.pop();
            shown.push_str(if width > 0 { "…" } else { "" });
            used = width;
            break;
        }
        shown.push(character);
        used = next;
    }
    shown.push_str(&" ".repeat(width.saturating_sub(used)));
    shown
}

/// A remark in place of a list that is empty.
fn remark(frame: &mut Frame<'_>, area: Rect, text: impl Into<String>, theme: Theme) {
    let text = Paragraph::new(Span::styled(text.into(), theme.dim())).wrap(ratatui::widgets::Wrap { trim: true });
    frame.render_widget(text, area);
}
