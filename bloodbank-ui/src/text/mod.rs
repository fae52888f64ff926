//! Texts: JSON by its tokens and places, and fuzzy search.

mod fuzzy;
mod json;
mod places;

pub(crate) use fuzzy::score;
pub(crate) use json::{TokenKind, pretty, tokens};
pub(crate) use places::line_of;
