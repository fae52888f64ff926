//! The rows around every view: the tabs, the actions, the status.

use bloodbank_client::escape_controls;
use ratatui::{
    Frame,
    layout::{Alignment, Rect},
    text::{Line, Span},
};

use super::live::thousands;
use crate::{
    message::Link,
    state::{State, View},
    update::actions as keys,
};

pub(super) fn tabs(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.options.theme;
    let tabs = View::ALL.map(|view| {
        let style = if view == state.view { theme.selected() } else { theme.dim() };
        Span::styled(view.tab(), style)
    });
    frame.render_widget(Line::from_iter(tabs), area);
    let rate = match state.live.events_per_second() {
        0 => String::new(),
        rate => format!("{} events/s  ", thousands(rate)),
    };
    let name = Line::styled(format!("{rate}{} ", state.options.program), theme.heading());
    frame.render_widget(name.alignment(Alignment::Right), area);
}

pub(super) fn actions(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.options.theme;
    let spans = keys(state).iter().flat_map(|(key, does)| {
        [Span::styled(format!(" {key}"), theme.focused()), Span::styled(format!(" {does} "), theme.dim())]
    });
    frame.render_widget(Line::from_iter(spans), area);
}

pub(super) fn status(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.options.theme;
    let (mark, text, style) = match &state.link {
        Link::Connecting => ("○", "connecting …".to_owned(), theme.warning()),
        Link::Up(place) => ("●", escape_controls(place).into_owned(), theme.good()),
        Link::Down(why) => ("○", format!("the bus is away: {}", escape_controls(why)), theme.bad()),
    };
    let mut spans = vec![Span::styled(format!(" {mark} "), style)];
    match (&state.notice, &state.link) {
        // What was just done comes first, unless it could not be done.
        (Some(notice), Link::Up(_) | Link::Connecting) => {
            let style = if notice.is_bad { theme.bad() } else { theme.good() };
            spans.push(Span::styled(escape_controls(&notice.text), style));
        }
        (Some(notice), Link::Down(_)) if !notice.is_bad => {
            spans.push(Span::styled(escape_controls(&notice.text), theme.good()))
        }
        _ => spans.push(Span::raw(text)),
    }
    frame.render_widget(Line::from(spans), area);
}
