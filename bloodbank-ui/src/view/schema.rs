//! The schema of an event.

use bloodbank_client::SchemaField;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Paragraph, Wrap},
};

use super::{framed, remark};
use crate::state::{Focus, State};
use crate::theme::Theme;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.options.theme;
    let title = state.details.as_ref().map_or("Schema", |details| details.summary.name);
    let inside = framed(frame, area, title, state.focus == Focus::Schema, theme);
    let Some(details) = &state.details else {
        return remark(frame, inside, "this program has no events; link a crate that declares some", theme);
    };
    let mut lines = vec![Line::styled(details.summary.routing_key, theme.key())];
    let mut facts = vec![details.summary.kind.to_owned()];
    facts.extend(details.reply.map(|reply| format!("answered by {reply}")));
    if !details.id_fields.is_empty() {
        facts.push(format!("id from {}", details.id_fields.join(", ")));
    }
    if details.external {
        facts.push("published elsewhere".to_owned());
    }
    if details.validated {
        facts.push("checked by rules".to_owned());
    }
    lines.push(Line::styled(facts.join(" · "), theme.dim()));
    if !details.summary.description.is_empty() {
        lines.push(Line::raw(details.summary.description.clone()));
    }
    lines.push(Line::raw(""));
    for field in &state.fields {
        lines.extend(field_lines(field, theme));
    }
    let top = u16::try_from(state.schema.top).unwrap_or(u16::MAX);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((top, 0)), inside);
}

fn field_lines(field: &SchemaField, theme: Theme) -> Vec<Line<'static>> {
    let indent = "  ".repeat(field.depth);
    let mut first = vec![
        Span::raw(indent.clone()),
        Span::styled(field.name.clone(), theme.key()),
        Span::styled(if field.is_required { "*" } else { "" }, theme.warning()),
        Span::raw(" "),
        Span::styled(field.kind.clone(), theme.value()),
    ];
    if !field.rules.is_empty() {
        first.push(Span::raw(format!("  {}", field.rules.join(", "))));
    }
    let mut lines = vec![Line::from(first)];
    if !field.description.is_empty() {
        lines.push(Line::styled(format!("{indent}  {}", field.description), theme.dim()));
    }
    lines
}
