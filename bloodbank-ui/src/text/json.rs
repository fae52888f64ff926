//! JSON as a person writes it: the tokens of a line, for colours.

use std::ops::Range;

use serde::Serialize;

/// The kind of a piece of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// The name of a member.
    Name,
    /// A text.
    Text,
    /// A number, `true`, `false`, `null`; and what is no JSON.
    Other,
    /// Brackets, commas, colons and spaces.
    Punctuation,
}

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// Its bytes in the line.
    pub(crate) range: Range<usize>,
}

/// The pieces of a line of JSON, which together are the line. Unfinished JSON has pieces too. No text of JSON goes over a
/// line's end, so that each line can be read alone.
pub(crate) fn tokens(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut begin = 0;
    while let Some(first) = line[begin..].chars().next() {
        let rest = &line[begin..];
        let (kind, length) = match first {
            '"' => {
                let length = text_length(rest);
                let is_name = rest[length..].trim_start().starts_with(':');
                (if is_name { TokenKind::Name } else { TokenKind::Text }, length)
            }
            _ if is_punctuation(first) => (TokenKind::Punctuation, length_while(rest, is_punctuation)),
            _ => (TokenKind::Other, length_while(rest, |next| next != '"' && !is_punctuation(next))),
        };
        tokens.push(Token { kind, range: begin..begin + length });
        begin += length;
    }
    tokens
}

/// JSON for reading, indented.
pub(crate) fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn is_punctuation(character: char) -> bool {
    character.is_whitespace() || matches!(character, '{' | '}' | '[' | ']' | ',' | ':')
}

fn length_while(text: &str, is_part: impl Fn(char) -> bool) -> usize {
    text.find(|character| !is_part(character)).unwrap_or(text.len())
}

/// The length of the text in quotes at the beginning, or of what is there of it.
fn text_length(text: &str) -> usize {
    let mut is_escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_its_pieces() {
        let line = r#"  "näme" : ["te\"xt", -1.5e3, true, "open"#;
        let pieces: Vec<_> = tokens(line).into_iter().map(|token| (token.kind, &line[token.range])).collect();
        let named: Vec<_> = pieces.iter().filter(|(kind, _)| *kind != TokenKind::Punctuation).collect();
        assert_eq!(
            named,
            [
                &(TokenKind::Name, "\"näme\""),
                &(TokenKind::Text, r#""te\"xt""#),
                &(TokenKind::Other, "-1.5e3"),
                &(TokenKind::Other, "true"),
                &(TokenKind::Text, "\"open"),
            ]
        );
        assert_eq!(pieces.iter().map(|(_, text)| *text).collect::<String>(), line);
    }
}
