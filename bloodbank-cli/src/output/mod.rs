//! What verbs print: text for people, JSON for programs.

pub(crate) mod event;
mod highlight;
pub(crate) mod style;
mod table;

use std::io::{self, Write};

pub(crate) use bloodbank_client::escape_controls;
use bloodbank_client::escape_controls_of_json;
use serde::Serialize;

pub(crate) use table::Table;

/// Standard output, without colours unless it is a terminal that wants them.
pub(crate) fn out() -> impl Write {
    anstream::stdout().lock()
}

/// JSON for programs, indented.
pub(crate) fn json(value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    let mut out = out();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// JSON for people: indented, coloured, and without anything else that a terminal would obey.
pub(crate) fn highlighted(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = highlight::highlight(value)?;
    Ok(escape_controls_of_json(&text).into_owned())
}

/// A remark beside the output, which nobody has to read: whoever closes standard error loses it, and nothing else.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}note:{} {text}", style::WARN.render(), style::WARN.render_reset());
}

/// What ended the program.
pub(crate) fn error(text: &str) {
    let _ = writeln!(anstream::stderr(), "{}error:{} {text}", style::BAD.render(), style::BAD.render_reset());
}
