//! A text with a title that is scrolled, but not edited.

/// A text with a title that is scrolled, but not edited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Document {
    pub(crate) title: String,
    pub(crate) lines: Vec<String>,
    pub(crate) top: usize,
}

impl Document {
    pub(crate) fn new(title: impl Into<String>, text: &str) -> Self {
        Self { title: title.into(), lines: text.lines().map(str::to_owned).collect(), top: 0 }
    }

    /// Moves by so many lines, and not beyond the last one.
    pub(crate) fn scroll(&mut self, lines: isize) {
        self.top = self.top.saturating_add_signed(lines).min(self.lines.len().saturating_sub(1));
    }
}
