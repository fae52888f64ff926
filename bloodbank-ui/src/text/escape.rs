//! Escaping what a terminal would obey in texts from elsewhere.

/// The text on one line, with control characters and what changes the direction of writing written out.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let is_obeyed = character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if is_obeyed {
            shown.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(super::escaped("plain — ünïcode"), "plain — ünïcode");
        assert_eq!(super::escaped("a\u{1b}]0;b\nc\u{202e}"), "a\\u001b]0;b\\u000ac\\u202e");
    }
}
