//! What is selected in a list, and which part of the list is on the screen.

/// What is selected in a list, and which part of the list is on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Selection {
    pub(crate) index: usize,
    pub(crate) top: usize,
}

impl Selection {
    /// Moves the selection within a list of so many rows.
    pub(crate) fn move_by(&mut self, rows: isize, count: usize) {
        self.index = self.index.saturating_add_signed(rows).min(count.saturating_sub(1));
    }

    /// The same selection with its row on a screen of so many rows.
    pub(crate) fn on_screen(mut self, height: usize, count: usize) -> Self {
        self.index = self.index.min(count.saturating_sub(1));
        self.top = self.top.min(self.index);
        if self.index >= self.top + height {
            self.top = self.index + 1 - height;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Selection;

    #[test]
    fn what_is_selected_stays_on_the_screen() {
        let mut selection = Selection::default();
        selection.move_by(7, 10);
        selection = selection.on_screen(5, 10);
        assert_eq!((selection.index, selection.top), (7, 3));
        selection.move_by(-3, 10);
        assert_eq!(selection.on_screen(5, 10).top, 3, "it does not scroll before it must");
        selection.move_by(100, 10);
        assert_eq!(selection.index, 9);
        assert_eq!(selection.on_screen(5, 2).index, 1, "the list has become shorter");
    }
}
