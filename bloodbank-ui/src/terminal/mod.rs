//! The terminal: taken over, and given back whatever happens.

mod external_editor;
mod screen;

pub(crate) use self::{external_editor::edit, screen::Screen};
