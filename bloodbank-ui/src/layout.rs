//! The places of the parts on the screen, for drawing and for the mouse.

use ratatui::layout::{Constraint, Layout, Rect};

/// The smallest screen that everything fits on.
pub(crate) const SMALLEST: (u16, u16) = (80, 24);

/// The columns before the lines of the editor: their numbers and a mark.
pub(crate) const GUTTER: u16 = 5;

/// Whether a screen is large enough.
pub(crate) fn fits(width: u16, height: u16) -> bool {
    width >= SMALLEST.0 && height >= SMALLEST.1
}

/// The rows that every view has, and its own part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) tabs: Rect,
    pub(crate) body: Rect,
    pub(crate) actions: Rect,
    pub(crate) status: Rect,
}

pub(crate) fn frame(screen: Rect) -> Frame {
    let [tabs, body, actions, status] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1), Constraint::Length(1)])
            .areas(screen);
    Frame { tabs, body, actions, status }
}

/// The three parts of the events: the tree, the schema, the editor.
pub(crate) fn columns(body: Rect) -> [Rect; 3] {
    Layout::horizontal([Constraint::Percentage(28), Constraint::Percentage(34), Constraint::Percentage(38)]).areas(body)
}

/// The editor and the faults below it.
pub(crate) fn editor(column: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Min(5), Constraint::Length(6)]).areas(column)
}

/// A list and the details of what is selected in it: beside each other where there is room.
pub(crate) fn list_and_details(body: Rect) -> [Rect; 2] {
    if body.width >= 120 {
        Layout::horizontal([Constraint::Percentage(55), Constraint::Percentage(45)]).areas(body)
    } else {
        Layout::vertical([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(body)
    }
}

/// The stream: its rate, then a list and details.
pub(crate) fn live(body: Rect) -> [Rect; 3] {
    let [rate, rest] = Layout::vertical([Constraint::Length(4), Constraint::Min(0)]).areas(body);
    let [list, details] = list_and_details(rest);
    [rate, list, details]
}

/// The queues, and the connections below them.
pub(crate) fn queues(body: Rect) -> [Rect; 2] {
    Layout::vertical([Constraint::Percentage(65), Constraint::Percentage(35)]).areas(body)
}

/// The part within a border.
pub(crate) fn inside(area: Rect) -> Rect {
    Rect { x: area.x + 1, y: area.y + 1, width: area.width.saturating_sub(2), height: area.height.saturating_sub(2) }
}

/// What lies over everything else.
pub(crate) fn overlay(screen: Rect) -> Rect {
    let (width, height) = (screen.width.saturating_sub(8).min(100), screen.height.saturating_sub(4));
    Rect { x: (screen.width - width) / 2, y: (screen.height - height) / 2, width, height }
}
