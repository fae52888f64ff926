//! What lies over the view.

use ratatui::{
    Frame,
    layout::Rect,
    text::Line,
    widgets::{Clear, Paragraph, Wrap},
};

use super::{framed, json};
use crate::{
    document::Document,
    layout,
    state::{Overlay, State},
};

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, screen: Rect) {
    let theme = state.options.theme;
    let area = layout::overlay(screen);
    match &state.overlay {
        None => {}
        Some(Overlay::Help(document)) => {
            let inside = opened(state, frame, area, document);
            let lines: Vec<_> = document
                .lines
                .iter()
                .skip(document.top)
                .map(|line| {
                    let style = if line.starts_with(' ') { ratatui::style::Style::new() } else { theme.heading() };
                    Line::styled(line.clone(), style)
                })
                .collect();
            frame.render_widget(Paragraph::new(lines), inside);
        }
        Some(Overlay::Document(document)) => {
            let inside = opened(state, frame, area, document);
            json::lines(frame, inside, document.lines.iter().map(String::as_str), document.top, theme);
        }
        Some(Overlay::Confirm { question, .. }) => {
            let height = 8.min(area.height);
            let area = Rect { y: (screen.height - height) / 2, height, ..area };
            let inside = opened(state, frame, area, question);
            frame.render_widget(Paragraph::new(question.lines.join("\n")).wrap(Wrap { trim: true }), inside);
        }
    }
}

fn opened(state: &State, frame: &mut Frame<'_>, area: Rect, document: &Document) -> Rect {
    frame.render_widget(Clear, area);
    let inside = framed(frame, area, document.title.clone(), true, state.options.theme);
    Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside }
}
