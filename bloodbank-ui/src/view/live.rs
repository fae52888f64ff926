//! The live stream.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Sparkline,
};
use serde_json::Value;

use super::{column, framed, json, remark, rows};
use crate::{
    layout,
    message::SeenEvent,
    state::{RATE_SECONDS, State},
    text::pretty,
    theme::Theme,
};

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let theme = state.options.theme;
    let [rate, list, details] = layout::live(body);
    draw_rate(state, frame, rate);
    let live = &state.live;
    let paused = if live.is_paused() { " · paused, Space goes on" } else { "" };
    let shown = live.shown();
    let inside = framed(frame, list, format!("Live{paused}"), true, theme);
    if shown.is_empty() {
        remark(frame, inside, "nothing yet; events appear here as they are published", theme);
    }
    rows(frame, inside, live.selection, theme, shown.len(), |place| {
        row(&shown[place], usize::from(inside.width), theme)
    });
    let selected = shown.get(live.selection.index);
    envelope(frame, details, selected.map(|event| &**event), theme);
}

/// The rate of the last two minutes, what was counted, and the pattern.
fn draw_rate(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.options.theme;
    let live = &state.live;
    let mut title = format!("{} events/s · {} seen", thousands(live.events_per_second()), thousands(live.total));
    if live.dropped > 0 {
        title.push_str(&format!(" · {} dropped", thousands(live.dropped)));
    }
    let inside = framed(frame, area, title, false, theme);
    let chart = Rect { width: inside.width.min(RATE_SECONDS as u16), height: 1, ..inside };
    let seconds: Vec<u64> = live.rate.iter().rev().take(usize::from(chart.width)).rev().copied().collect();
    frame.render_widget(Sparkline::default().data(seconds).style(theme.key()), chart);
    let below = Rect { y: inside.y + 1, height: 1, ..inside };
    let (mark, typed, fault) = match &live.since {
        Some(since) => ("since ", since, &live.since_fault),
        None => ("/ ", &live.pattern, &live.pattern_fault),
    };
    let is_typing = live.is_filtering || live.since.is_some();
    let mut line = vec![Span::styled(mark, theme.focused()), Span::raw(typed.clone())];
    match fault {
        Some(fault) => line.push(Span::styled(format!("  {fault}"), theme.bad())),
        None if !is_typing && typed.is_empty() => {
            line = vec![Span::styled("/ filter by a pattern, such as orders.#", theme.dim())];
        }
        None => {}
    }
    frame.render_widget(Line::from(line), below);
    if is_typing {
        let end = below.x + u16::try_from(mark.len() + typed.chars().count()).unwrap_or(0);
        frame.set_cursor_position((end.min(below.right().saturating_sub(1)), below.y));
    }
}

fn row(event: &SeenEvent, width: usize, theme: Theme) -> Line<'static> {
    let time = event.time.map(|time| time.format("%H:%M:%S%.3f").to_string()).unwrap_or_default();
    let id = event.event_id.map(|id| id.to_string()[..8].to_owned()).unwrap_or_default();
    let rest = width.saturating_sub(12 + 8 + 4);
    let app = 12.min(rest / 3);
    Line::from(vec![
        Span::styled(column(&time, 12), theme.dim()),
        Span::raw("  "),
        Span::styled(column(&event.event_type, rest.saturating_sub(app + 2)), theme.key()),
        Span::raw("  "),
        Span::styled(column(&id, 8), theme.dim()),
        Span::raw("  "),
        Span::raw(column(&event.app, app)),
    ])
}

/// The envelope of an event, as much as there is room for.
pub(super) fn envelope(frame: &mut Frame<'_>, area: Rect, event: Option<&SeenEvent>, theme: Theme) {
    let inside = framed(frame, area, "Envelope", false, theme);
    let Some(event) = event else { return };
    match serde_json::from_slice::<Value>(&event.body) {
        Ok(envelope) => json::lines(frame, inside, pretty(&envelope).lines(), 0, theme),
        Err(error) => remark(frame, inside, format!("this message is no JSON: {error}"), theme),
    }
}

/// A number with commas.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
