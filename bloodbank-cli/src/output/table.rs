//! Columns without lines around them.

use anstyle::Style;
use comfy_table::presets::NOTHING;

use super::style::paint;

/// Rows whose columns line up.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Vec<(String, Style)>>,
}

impl Table {
    /// Adds a row whose cells have styles.
    pub(crate) fn styled(&mut self, cells: impl IntoIterator<Item = (String, Style)>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, with so many spaces before each.
    pub(crate) fn render(&self, indent: usize) -> String {
        let mut table = comfy_table::Table::new();
        table.load_preset(NOTHING);
        for row in &self.rows {
            table.add_row(row.iter().map(|(cell, _)| cell));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut text = String::new();
        for (line, row) in table.lines().zip(&self.rows) {
            text.push_str(&" ".repeat(indent));
            text.push_str(&styled(line.trim_end(), row));
            text.push('\n');
        }
        text
    }
}

/// Styles are put in after the columns are aligned: escapes have no width.
fn styled(line: &str, row: &[(String, Style)]) -> String {
    let mut rest = line;
    let mut text = String::new();
    for (cell, style) in row {
        let Some(place) = rest.find(cell.as_str()).filter(|_| *style != Style::new() && !cell.is_empty()) else {
            continue;
        };
        text.push_str(&rest[..place]);
        text.push_str(&paint(*style, cell));
        rest = &rest[place + cell.len()..];
    }
    text + rest
}
