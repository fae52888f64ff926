//! JSON in colours.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::style::KEY;

const TEXT: Style = AnsiColor::Green.on_default();
const OTHER: Style = AnsiColor::Yellow.on_default();

/// Indented JSON whose names, texts and other values differ in colour.
pub(super) fn highlight(value: &impl Serialize) -> serde_json::Result<String> {
    let mut out = Vec::new();
    let colours = Colours { pretty: PrettyFormatter::new(), in_name: false };
    value.serialize(&mut Serializer::with_formatter(&mut out, colours))?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

struct Colours {
    pretty: PrettyFormatter<'static>,
    in_name: bool,
}

/// Hands the calls that only indent to the formatter that indents.
macro_rules! indented {
    ($($name:ident($($argument:ident: $kind:ty)?))*) => {$(
        fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $argument: $kind)?) -> io::Result<()> {
            self.pretty.$name(writer $(, $argument)?)
        }
    )*};
}

macro_rules! coloured {
    ($($name:ident $kind:ty)*) => {$(
        fn $name<W: ?Sized + Write>(&mut self, writer: &mut W, value: $kind) -> io::Result<()> {
            write!(writer, "{}", OTHER.render())?;
            self.pretty.$name(writer, value)?;
            write!(writer, "{}", OTHER.render_reset())
        }
    )*};
}

impl Formatter for Colours {
    indented! {
        begin_array() end_array() begin_array_value(first: bool) end_array_value()
        begin_object() end_object() begin_object_value() end_object_value()
    }

    coloured! { write_bool bool write_i64 i64 write_u64 u64 write_f64 f64 }

    fn write_null<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        write!(writer, "{}null{}", OTHER.render(), OTHER.render_reset())
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.in_name = true;
        self.pretty.begin_object_key(writer, first)
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.in_name = false;
        self.pretty.end_object_key(writer)
    }

    fn begin_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        write!(writer, "{}\"", if self.in_name { KEY } else { TEXT }.render())
    }

    fn end_string<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        write!(writer, "\"{}", TEXT.render_reset())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn only_the_colours_differ_from_indented_json() {
        let value = json!({"a": [1, -2, 0.5, true, null, "text \u{1b}[0m"], "b": {}, "c": []});
        let coloured = super::highlight(&value).expect("it is JSON");
        assert!(coloured.contains("\u{1b}[36m\"a\"\u{1b}[0m: ["), "{coloured:?}");
        let plain = anstream::adapter::strip_str(&coloured).to_string();
        assert_eq!(plain, serde_json::to_string_pretty(&value).expect("it is JSON"));
    }
}
