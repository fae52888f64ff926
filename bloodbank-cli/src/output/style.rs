//! The few styles there are.

use anstyle::{AnsiColor, Style};

/// A routing key.
pub(crate) const KEY: Style = AnsiColor::Cyan.on_default();
/// The head of a group.
pub(crate) const HEADING: Style = Style::new().bold();
/// What matters less.
pub(crate) const DIM: Style = Style::new().dimmed();
/// It is as it should be.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Somebody should look.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default().bold();
/// It is wrong.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// A text in a style.
pub(crate) fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{}{text}{}", style.render(), style.render_reset())
}
