//! Queues and connections.

use bloodbank_client::{ConnectionStatus, QueueEntry};
use ratatui::{
    Frame,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{column, framed, live::thousands, remark, rows};
use crate::{layout, state::State, theme::Theme};

/// The columns beside the name: their titles and widths.
const COLUMNS: [(&str, usize); 7] =
    [("waiting", 9), ("in hand", 8), ("consumers", 9), ("dead", 7), ("in/s", 8), ("done/s", 8), ("oldest", 12)];
/// Those that a narrow screen leaves out.
const WIDE: [&str; 2] = ["in/s", "done/s"];
/// A screen of so many columns shows everything.
const WIDE_FROM: usize = 110;

pub(super) fn draw(state: &State, frame: &mut Frame<'_>, body: Rect) {
    let theme = state.options.theme;
    let [list, below] = layout::queues(body);
    let queues = &state.queues;
    let loading = if queues.is_loading && queues.report.queues.is_empty() { " · asking …" } else { "" };
    let title = format!("Queues ({}){loading}", queues.report.queues.len());
    let inside = framed(frame, list, title, true, theme);
    match &queues.fault {
        Some(fault) => remark(frame, inside, fault.clone(), theme),
        None if queues.report.queues.is_empty() && !queues.is_loading => {
            let none = "the bus has no queues yet; `work` or `topology declare` makes those of an app";
            remark(frame, inside, queues.report.remark.as_deref().unwrap_or(none), theme);
        }
        None if queues.report.queues.is_empty() => {}
        None => {
            let width = usize::from(inside.width);
            frame.render_widget(titles(width, theme), Rect { height: 1, ..inside });
            let below = Rect { y: inside.y + 1, height: inside.height.saturating_sub(1), ..inside };
            let entries = &queues.report.queues;
            rows(frame, below, queues.selection, theme, entries.len(), |place| row(&entries[place], width, theme));
        }
    }
    draw_connections(state, frame, below);
}

fn titles(width: usize, theme: Theme) -> Line<'static> {
    line("name", theme.dim(), COLUMNS.map(|(title, _)| (title.to_owned(), theme.dim())), width)
}

fn row(entry: &QueueEntry, width: usize, theme: Theme) -> Line<'static> {
    let status = &entry.status;
    let rate = |rate: Option<f64>| rate.map_or_else(String::new, |rate| format!("{rate:.1}"));
    let nobody = status.consumers == 0 && !entry.is_dead_letter_queue();
    let dead = entry.dead_letters.filter(|count| *count > 0);
    let cells = [
        (thousands(status.waiting), if nobody && status.waiting > 0 { theme.warning() } else { Style::new() }),
        (status.unsettled.map_or_else(|| "?".to_owned(), thousands), Style::new()),
        (thousands(status.consumers), if nobody { theme.bad() } else { Style::new() }),
        (
            entry.dead_letters.map_or_else(String::new, thousands),
            if dead.is_some() { theme.bad() } else { theme.dim() },
        ),
        (rate(status.arrivals), theme.dim()),
        (rate(status.acknowledgements), theme.dim()),
        (entry.age(), theme.dim()),
    ];
    line(&status.name, theme.key(), cells, width)
}

/// A name and its cells, in a line of so many columns.
fn line(name: &str, style: Style, cells: [(String, Style); COLUMNS.len()], width: usize) -> Line<'static> {
    let cells = cells.into_iter().zip(COLUMNS);
    let shown: Vec<_> = cells.filter(|(_, (title, _))| width >= WIDE_FROM || !WIDE.contains(title)).collect();
    let rest = width.saturating_sub(shown.iter().map(|(_, (_, width))| width + 1).sum());
    let mut line = vec![Span::styled(column(name, rest), style)];
    line.extend(shown.into_iter().map(|((text, style), (_, width))| {
        let text = if text.chars().count() > width { column(&text, width) } else { text };
        Span::styled(format!(" {text:>width$}"), style)
    }));
    Line::from(line)
}

fn draw_connections(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let theme = state.options.theme;
    let report = &state.queues.report;
    let Some(connections) = &report.connections else {
        let inside = framed(frame, area, "Connections", false, theme);
        let unseen = "connections are shown where this program talks to RabbitMQ itself, by its management API";
        remark(frame, inside, report.remark.as_deref().unwrap_or(unseen), theme);
        return;
    };
    let inside = framed(frame, area, format!("Connections ({})", connections.len()), false, theme);
    for (connection, y) in connections.iter().zip(inside.top()..inside.bottom()) {
        frame.render_widget(
            connection_row(connection, usize::from(inside.width), theme),
            Rect { y, height: 1, ..inside },
        );
    }
}

fn connection_row(connection: &ConnectionStatus, width: usize, theme: Theme) -> Line<'static> {
    let name = if connection.name.is_empty() { "(without a name)" } else { &connection.name };
    let since = connection.since.map(|time| time.format("%d.%m. %H:%M:%S").to_string()).unwrap_or_default();
    let rest = width.saturating_sub(12 + 10 + 12 + 16 + 4);
    let state = if connection.state == "running" { theme.good() } else { theme.warning() };
    Line::from(vec![
        Span::styled(column(name, rest), theme.key()),
        Span::raw(format!(" {}", column(&connection.user, 12))),
        Span::styled(format!(" {}", column(&connection.state, 10)), state),
        Span::raw(format!(" {:>12}", format!("{} channels", connection.channels))),
        Span::styled(format!(" {since:>16}"), theme.dim()),
    ])
}
