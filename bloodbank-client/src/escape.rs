//! Escaping what a terminal would obey in texts from elsewhere.

use std::borrow::Cow;

/// Writes out everything in a text that a terminal would obey: escapes, line breaks, changes of direction.
///
/// ```
/// use bloodbank_client::escape_controls;
///
/// assert_eq!(escape_controls("a\u{1b}[2Jb"), r"a\u001b[2Jb");
/// ```
#[must_use]
pub fn escape_controls(text: &str) -> Cow<'_, str> {
    written_out(text, |_| true)
}

/// Writes out everything in indented and coloured JSON that a terminal would obey, but for line breaks and colours: those are
/// ours, because JSON escapes those of texts.
#[must_use]
pub fn escape_controls_of_json(text: &str) -> Cow<'_, str> {
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
