//! Finding out from the text of a payload that it fits its schema, without building a tree of it.
//!
//! The schemas of most events say which members there are, and of which kind. Such a schema is compiled to a [`Shape`],
//! and one pass over the text, which allocates nothing, tells whether it fits. A shape only ever says yes: what it does not
//! let pass is for `jsonschema` to judge, and so is a schema that says more.

mod compile;
mod fit;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

/// What a schema lets pass, or less.
#[derive(Debug, Default)]
pub(super) struct Shape {
    anything: bool,
    null: bool,
    boolean: bool,
    integer: bool,
    /// With a fraction, or without.
    number: bool,
    /// Of integers and numbers.
    bounds: Option<Bounds>,
    text: Option<Text>,
    /// What the items are.
    items: Option<Box<Shape>>,
    members: Option<Members>,
}

/// Both inclusive, and none of them rounded.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    least: f64,
    most: f64,
}

#[derive(Debug, Default)]
struct Text {
    /// In characters.
    least: usize,
    most: Option<usize>,
    /// The only ones.
    words: Option<Vec<String>>,
}

#[derive(Debug)]
struct Members {
    named: HashMap<String, Member>,
    /// A bit for each member that must be there.
    required: u64,
    /// What a member is that is not among them; `None` where there may be none.
    others: Option<Box<Shape>>,
}

#[derive(Debug)]
struct Member {
    shape: Shape,
    /// Its bit in [`Members::required`], or none.
    bit: u64,
}
