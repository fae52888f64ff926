//! The trace of an event.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use uuid::Uuid;

use super::{column, framed, live, remark, rows};
use crate::{
    layout,
    state::{State, TraceRow},
    theme::Theme,
};

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let theme = state.options.theme;
    let [list, details] = layout::list_and_details(body);
    let trace = &state.trace;
    let from = if trace.is_from_seen { " · from what was seen since the start" } else { "" };
    let more = if trace.is_truncated() && !trace.is_from_seen { " · incomplete" } else { "" };
    let inside = framed(frame, list, format!("Trace{from}{more}"), true, theme);
    match (trace.around, &trace.fault) {
        (None, _) => {
            remark(frame, inside, "no event yet: publish one and press Ctrl-T, or press Ctrl-T on an event", theme)
        }
        (Some(id), Some(fault)) => remark(frame, inside, format!("{id}: {fault}"), theme),
        (Some(id), None) if trace.rows.is_empty() => {
            remark(frame, inside, format!("loading the trace of {id} …"), theme)
        }
        (Some(id), None) => {
            rows(frame, inside, trace.selection, theme, trace.rows.len(), |place| {
                row(&trace.rows[place], id, usize::from(inside.width), theme)
            });
        }
    }
    let selected = trace.selected();
    let seen = selected.and_then(|row| state.live.find(row.event.event_id));
    live::envelope(frame, details, seen.map(|event| &**event), theme);
    if selected.is_some() && seen.is_none() {
        let text = "this event was published before anybody watched; h asks the bus for the last hour";
        remark(frame, layout::inside(details), text, theme);
    }
}

fn row(row: &TraceRow, around: Uuid, width: usize, theme: Theme) -> Line<'static> {
    let event = &row.event;
    let mark = match (row.below, row.is_open) {
        (0, _) => "  ",
        (_, true) => "▾ ",
        (_, false) => "▸ ",
    };
    let mut name = event.event_type.clone().unwrap_or_else(|| "(unknown)".to_owned());
    if row.alike > 0 {
        name.push_str(&format!(" × {}", row.alike + 1));
    }
    if row.is_repeated {
        name.push_str(" (above)");
    }
    let time = event.time.map(|time| time.format("%H:%M:%S%.3f").to_string()).unwrap_or_default();
    let id = event.event_id.to_string()[..8].to_owned();
    let app = 10;
    let used = 2 * row.depth + 2 + 2 + 8 + 2 + 12 + 2 + app + 2;
    let is_failure = name.ends_with(".failed");
    let style = if is_failure { theme.bad() } else { theme.key() };
    Line::from(vec![
        Span::styled("│ ".repeat(row.depth), theme.dim()),
        Span::raw(mark),
        Span::styled(column(&name, width.saturating_sub(used)), style),
        Span::styled(format!("  {}  ", column(&id, 8)), theme.dim()),
        Span::styled(column(&time, 12), theme.dim()),
        Span::raw(format!("  {}", column(event.app.as_deref().unwrap_or_default(), app))),
        Span::styled(if event.event_id == around { " ◀" } else { "" }, theme.warning()),
    ])
}
