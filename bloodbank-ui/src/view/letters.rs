//! Dead letters.

use bloodbank_client::escape_controls;
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::{Paragraph, Wrap},
};

use super::{column, framed, json, remark, rows};
use crate::{
    layout,
    state::{LetterRow, State},
    text::pretty,
};

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let theme = state.options.theme;
    let [list, details] = layout::list_and_details(body);
    let letters = &state.letters;
    let loading = if letters.is_loading { " · fetching …" } else { "" };
    let inside = framed(frame, list, format!("Dead letters ({}){loading}", letters.count()), true, theme);
    match &letters.fault {
        Some(fault) => remark(frame, inside, fault.clone(), theme),
        None if letters.rows.is_empty() && state.options.queues.is_empty() => {
            remark(frame, inside, "this program has no subscribers, so there are no dead letters of its own", theme);
        }
        None if letters.rows.is_empty() && !letters.is_loading => remark(frame, inside, "no dead letters", theme),
        None => {}
    }
    let width = usize::from(inside.width);
    rows(frame, inside, letters.selection, theme, letters.rows.len(), |place| match letters.rows[place] {
        LetterRow::Group(group) => {
            let group = &letters.groups[group];
            let mark = if letters.is_open(group) { "▾" } else { "▸" };
            let rest = width.saturating_sub(7 + 2);
            let key = group.event_type.len().min(rest / 2);
            Line::from(vec![
                Span::styled(format!("{mark}{:>5} ", group.letters.len()), theme.heading()),
                Span::styled(column(&group.event_type, key), theme.key()),
                Span::raw("  "),
                Span::styled(column(&group.error, rest - key), theme.bad()),
            ])
        }
        LetterRow::Letter(group, letter) => {
            let letter = &letters.groups[group].letters[letter];
            let id = letter.event_id.map_or_else(|| "(no event id)".to_owned(), |id| id.to_string());
            let time = letter.last_failed.map(|time| time.format("%d.%m. %H:%M:%S").to_string()).unwrap_or_default();
            let again = if letter.redriven > 0 { format!("  redriven {}×", letter.redriven) } else { String::new() };
            Line::from(vec![
                Span::raw("        "),
                Span::raw(column(&id, 36)),
                Span::styled(format!("  {time}"), theme.dim()),
                Span::styled(again, theme.warning()),
            ])
        }
    });
    draw_details(state, frame, details);
}

fn draw_details(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.options.theme;
    let letters = &state.letters;
    let inside = framed(frame, area, "Details", false, theme);
    let Some(selected) = letters.selected() else { return };
    let (LetterRow::Group(group) | LetterRow::Letter(group, _)) = selected;
    let group = &letters.groups[group];
    let Some(letter) = letters.selected_letters().last() else { return };
    let fact = |name: &str, value: &str| {
        Line::from(vec![Span::styled(column(name, 12), theme.dim()), Span::raw(escape_controls(value).into_owned())])
    };
    let reason = match letter.attempts {
        // Its handler was not called.
        0 => group.reason.clone(),
        attempts => format!("{}, attempt {attempts}", group.reason),
    };
    let last = group.last_failed.map(|time| time.to_rfc3339()).unwrap_or_default();
    let mut lines = vec![
        fact("given up by", &group.queue),
        fact("reason", &reason),
        fact("last failed", &last),
        fact("error", letter.error.as_deref().unwrap_or_default()),
    ];
    if let Some(why) = &letter.unreadable_because {
        lines.push(fact("unreadable", why));
    }
    let height = u16::try_from(lines.len() + 1).unwrap_or(inside.height).min(inside.height);
    frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }), Rect { height, ..inside });
    let rest = Rect { y: inside.y + height, height: inside.height - height, ..inside };
    if let Some(message) = &letter.message {
        json::lines(frame, rest, pretty(message).lines(), 0, theme);
    }
}
