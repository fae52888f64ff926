//! Checks from the text of a payload that it fits its schema, without building a tree of it.
//!
//! The schemas of most events name the members and their kinds. Such a schema is compiled to a [`Shape`], and one pass
//! over the text, which allocates nothing, tells whether it fits. A shape only ever says yes: a text that it does not
//! let pass is for `jsonschema` to judge, and so is a schema that says more.

mod compile;
mod fit;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

/// The values that a schema lets pass, or fewer.
#[derive(Debug, Default)]
pub(super) struct Shape {
    anything: bool,
    null: bool,
    boolean: bool,
    integer: bool,
    /// Whether numbers are allowed, with a fraction or without.
    number: bool,
    /// The bounds of integers and numbers.
    bounds: Option<Bounds>,
    text: Option<Text>,
    /// The shape of the items of an array.
    items: Option<Box<Shape>>,
    members: Option<Members>,
}

/// The bounds of a number, both inclusive and neither of them rounded.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    least: f64,
    most: f64,
}

#[derive(Debug, Default)]
struct Text {
    /// The least length, in characters.
    least: usize,
    most: Option<usize>,
    /// The only words that are allowed.
    words: Option<Vec<String>>,
}

#[derive(Debug)]
struct Members {
    named: HashMap<String, Member>,
    /// The bits of the members that must be there.
    required: u64,
    /// The shape of all other members; `None` where there may be none.
    others: Option<Box<Shape>>,
}

#[derive(Debug)]
struct Member {
    shape: Shape,
    /// The bit of the member in [`Members::required`], or none.
    bit: u64,
}
