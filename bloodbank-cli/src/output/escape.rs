//! Escaping what a terminal would obey in texts from elsewhere.

use std::borrow::Cow;

/// The text with everything that a terminal would obey written out: escapes, line breaks, changes of direction.
pub(crate) fn escape_controls(text: &str) -> Cow<'_, str> {
    written_out(text, |_| true)
}

/// Indented and coloured JSON with everything else that a terminal would obey written out: the line breaks and colours are
/// ours, because JSON escapes those of texts.
pub(super) fn escape_controls_of_json(text: &str) -> Cow<'_, str> {
    written_out(text, |character| !matches!(character, '\n' | '\u{1b}'))
}

fn written_out(text: &str, is_foreign: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_obeyed = |character| is_obeyed(character) && is_foreign(character);
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_obeyed(character) {
            out.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    Cow::Owned(out)
}

/// Control characters, those of eight bits among them, and what changes the direction of writing.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(escape_controls("plain — ünïcode"), "plain — ünïcode");
        assert_eq!(
            escape_controls("a\u{1b}]0;title\u{7}b\nc\u{9b}31m\u{202e}"),
            "a\\u001b]0;title\\u0007b\\u000ac\\u009b31m\\u202e"
        );
        assert_eq!(escape_controls_of_json("{\n\u{1b}[1m\"a\u{9b}\""), "{\n\u{1b}[1m\"a\\u009b\"");
    }
}
