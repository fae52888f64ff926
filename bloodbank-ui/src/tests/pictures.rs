//! The picture of the README, made from what is drawn.

use std::fmt::Write;

use ratatui::{
    buffer::{Buffer, Cell},
    style::{Color, Modifier},
};

use super::{screen::User, snapshots};

/// The size of a cell in the picture.
const WIDTH: usize = 8;
const HEIGHT: usize = 17;
/// The colours of the picture.
const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d7dae0";

#[test]
fn the_picture_shows_the_events() {
    let mut user = User::new(120, 26);
    snapshots::stream(&mut user);
    user.find("orders.order.placed");
    snapshots::compare("../docs/src/ui.svg", &svg(&user.draw()));
}

fn svg(buffer: &Buffer) -> String {
    let (width, height) = (usize::from(buffer.area.width), usize::from(buffer.area.height));
    let (across, down) = (width * WIDTH + 16, height * HEIGHT + 16);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {across} {down}\" width=\"{across}\" height=\"{down}\" \
         font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n"
    );
    for (row, cells) in buffer.content.chunks(width).enumerate() {
        let mut begin = 0;
        while begin < width {
            let alike = |cell: &Cell| looks(cell) == looks(&cells[begin]);
            let length = cells[begin..].iter().take_while(|cell| alike(cell)).count();
            let text: String = cells[begin..begin + length].iter().map(Cell::symbol).collect();
            piece(&mut svg, row, begin, length, &text, &cells[begin]);
            begin += length;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// What makes cells look alike.
fn looks(cell: &Cell) -> (Color, Modifier) {
    (cell.fg, cell.modifier)
}

fn piece(svg: &mut String, row: usize, column: usize, length: usize, text: &str, cell: &Cell) {
    let is_reversed = cell.modifier.contains(Modifier::REVERSED);
    if text.trim().is_empty() && !is_reversed {
        return;
    }
    let (x, y, width) = (8 + column * WIDTH, 8 + row * HEIGHT, length * WIDTH);
    let mut colour = hex(cell.fg);
    if is_reversed {
        writeln!(svg, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HEIGHT}\" fill=\"{colour}\"/>").unwrap();
        colour = BACKGROUND;
        if text.trim().is_empty() {
            return;
        }
    }
    let weight = if cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    // Not every viewer keeps spaces.
    let before = text.chars().take_while(|letter| *letter == ' ').count();
    let text = text.trim();
    let (x, width) = (x + before * WIDTH, text.chars().count() * WIDTH);
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    writeln!(
        svg,
        "<text x=\"{x}\" y=\"{}\" fill=\"{colour}\"{weight} textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\">{text}</text>",
        y + 13
    )
    .unwrap();
}

fn hex(colour: Color) -> &'static str {
    match colour {
        Color::Cyan => "#56b6c2",
        Color::Green => "#98c379",
        Color::Yellow => "#e5c07b",
        Color::Magenta => "#c678dd",
        Color::LightRed | Color::Red => "#e06c75",
        Color::DarkGray => "#6b7280",
        Color::Blue => "#61afef",
        _ => FOREGROUND,
    }
}
