//! The lines on which the values of a JSON document begin.

use super::json::{TokenKind, tokens};

/// The line, from 0, on which the value at a JSON pointer begins; where there is no such value, that of what would hold it.
pub(crate) fn line_of(pointer: &str, text: &str) -> usize {
    let mut best = (0, 0);
    walk(text, |place, line| {
        let holds = pointer.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if holds && place.len() >= best.0 {
            best = (place.len(), line);
        }
    });
    best.1
}

/// What is open around a place.
enum Open {
    Object { name: Option<String> },
    Array { index: usize },
}

/// Calls with the pointer and the line of each value, in their order. Reads valid JSON; of other texts as much as is valid.
fn walk(text: &str, mut found: impl FnMut(&str, usize)) {
    let mut open: Vec<Open> = Vec::new();
    for (line_number, line) in text.lines().enumerate() {
        for token in tokens(line) {
            let part = &line[token.range];
            match token.kind {
                TokenKind::Name => {
                    if let Some(Open::Object { name }) = open.last_mut() {
                        *name = serde_json::from_str(part).ok();
                    }
                }
                TokenKind::Text | TokenKind::Other => found(&pointer(&open), line_number),
                TokenKind::Punctuation => {
                    for character in part.chars() {
                        match character {
                            '{' | '[' => {
                                found(&pointer(&open), line_number);
                                open.push(if character == '{' {
                                    Open::Object { name: None }
                                } else {
                                    Open::Array { index: 0 }
                                });
                            }
                            '}' | ']' => drop(open.pop()),
                            ',' => {
                                if let Some(Open::Array { index }) = open.last_mut() {
                                    *index += 1;
                                }
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
    }
}

fn pointer(open: &[Open]) -> String {
    let words = open.iter().map(|open| match open {
        Open::Object { name } => name.as_deref().unwrap_or_default().replace('~', "~0").replace('/', "~1"),
        Open::Array { index } => index.to_string(),
    });
    words.fold(String::new(), |pointer, word| pointer + "/" + &word)
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn a_fault_has_its_line() {
        let text = "{\n  \"id\": \"o-1\",\n  \"lines\": [\n    {\"sku\": 1},\n    {\n      \"sku\": 2\n    }\n  ],\n  \"a/b\": 3\n}";
        for (pointer, line) in [
            ("", 0),
            ("/id", 1),
            ("/lines", 2),
            ("/lines/0/sku", 3),
            ("/lines/1", 4),
            ("/lines/1/sku", 5),
            ("/a~1b", 8),
        ] {
            assert_eq!(line_of(pointer, text), line, "{pointer}");
        }
        assert_eq!(line_of("/lines/1/missing", text), 4, "where it would be");
        assert_eq!(line_of("/missing", text), 0);
    }
}
