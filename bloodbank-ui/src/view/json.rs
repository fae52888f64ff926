//! JSON in colours.

use bloodbank_client::escape_controls;
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    text::{TokenKind, tokens},
    theme::Theme,
};

/// A line of JSON in colours.
pub(super) fn line(text: &str, theme: Theme) -> Line<'static> {
    let spans = tokens(text).into_iter().map(|token| {
        let style = style(token.kind, theme);
        Span::styled(escape_controls(&text[token.range]).into_owned(), style)
    });
    Line::from_iter(spans)
}

/// The colour of a piece of JSON.
pub(super) fn style(kind: TokenKind, theme: Theme) -> Style {
    match kind {
        TokenKind::Name => theme.key(),
        TokenKind::Text => theme.text(),
        TokenKind::Other => theme.value(),
        TokenKind::Punctuation => Style::new(),
    }
}

/// Draws the lines of JSON that fit, from one of them on.
pub(super) fn lines<'a>(
    frame: &mut Frame<'_>,
    area: Rect,
    lines: impl IntoIterator<Item = &'a str>,
    top: usize,
    theme: Theme,
) {
    for (text, y) in lines.into_iter().skip(top).zip(area.top()..area.bottom()) {
        frame.render_widget(line(text, theme), Rect { y, height: 1, ..area });
    }
}
