//! Forms made from the schema of an event: for people who know what they want to say, and not how JSON is written.
//!
//! The names of fields are JSON pointers. What was entered becomes a payload, and the payload the form again: with what is wrong at
//! its field, with one more line, or with another choice.

mod draw;
mod node;
mod read;

pub(crate) use draw::{Fault, draw};
pub(crate) use read::{add_item, read, remove_item};
