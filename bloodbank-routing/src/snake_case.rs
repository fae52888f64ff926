//! Spelling suggestions for whole keys, templates and patterns: their form in snake_case.

use crate::error::{MAX_LEN, Subject};
use crate::key::check;

/// The text in snake_case, if that differs and the grammar of `subject` allows it.
pub(crate) fn as_subject(text: &str, subject: Subject) -> Option<String> {
    if text.len() > MAX_LEN {
        return None;
    }
    if matches!(subject, Subject::WireKey | Subject::WirePattern) {
        // Somebody else's key: guessing at its spelling would not help.
        return None;
    }
    let mut better = snake_case(text, subject)?;
    let needs_two = matches!(subject, Subject::Key | Subject::Template);
    if needs_two && !better.contains('.') {
        better = split_once_more(&better)?;
    }
    (better != text && check(&better, subject).is_ok()).then_some(better)
}

/// An example of a key with two segments, of which the text is the first.
pub(crate) fn in_two_segments(text: &str) -> Option<String> {
    let one = snake_case(text, Subject::Template)?;
    let two = format!("{one}.created");
    check(&two, Subject::Template).is_ok().then_some(two)
}

/// Splits the first word off as a segment of its own: `order_placed` → `order.placed`.
fn split_once_more(word: &str) -> Option<String> {
    if word.starts_with('{') {
        return None;
    }
    let (first, rest) = word.split_once('_')?;
    Some(format!("{first}.{rest}"))
}

fn snake_case(text: &str, subject: Subject) -> Option<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len() + 8);
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        match c {
            '{' => {
                let len = chars[i..].iter().position(|c| *c == '}')?;
                end_segment(&mut out);
                if subject == Subject::Pattern {
                    out.push('*');
                } else {
                    out.extend(&chars[i..=i + len]);
                }
                i += len;
                if chars.get(i + 1).is_some_and(|c| !is_separator(*c)) {
                    out.push('.');
                }
            }
            '_' if at_start(&out) => {}
            ' ' | '\t' | '-' if at_start(&out) || out.ends_with('_') => {}
            ' ' | '\t' | '-' | '_' => out.push('_'),
            'A'..='Z' => {
                let before = i.checked_sub(1).map_or('.', |i| chars[i]);
                let after = chars.get(i + 1).copied().unwrap_or('.');
                let new_word = before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || before.is_ascii_uppercase() && after.is_ascii_lowercase();
                if new_word {
                    out.push('_');
                }
                out.push(c.to_ascii_lowercase());
            }
            'a'..='z' | '0'..='9' | '*' | '#' => out.push(c),
            c if is_separator(c) && subject != Subject::Segment => end_segment(&mut out),
            _ => return None,
        }
        i += 1;
    }
    while out.ends_with(['.', '_']) {
        out.pop();
    }
    Some(out)
}

fn is_separator(c: char) -> bool {
    matches!(c, '.' | '/' | ':')
}

fn at_start(out: &str) -> bool {
    out.is_empty() || out.ends_with('.')
}

fn end_segment(out: &mut String) {
    while out.ends_with('_') {
        out.pop();
    }
    if !at_start(out) {
        out.push('.');
    }
}
