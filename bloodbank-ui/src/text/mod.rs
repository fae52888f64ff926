//! Texts: JSON by its tokens and places, fuzzy search, and what a terminal would obey.

mod escape;
mod fuzzy;
mod json;
mod places;

pub(crate) use escape::escaped;
pub(crate) use fuzzy::score;
pub(crate) use json::{TokenKind, pretty, tokens};
pub(crate) use places::line_of;
