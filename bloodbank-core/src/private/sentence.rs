//! A sentence that is composed in a constant, to panic with.

use crate::routing::overlaps;

/// Text of a bounded length; the rest is cut off. Two keys and the words about them fit.
#[derive(Clone, Copy)]
pub(super) struct Sentence {
    bytes: [u8; 2048],
    len: usize,
}

impl Sentence {
    pub(super) const EMPTY: Self = Self { bytes: [0; 2048], len: 0 };

    pub(super) const fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Adds a word of the user's, in backticks.
    pub(super) const fn code(self, code: &str) -> Self {
        self.text("`").text(code).text("`")
    }

    const fn bytes(mut self, bytes: &[u8]) -> Self {
        let mut i = 0;
        while i < bytes.len() && self.len < self.bytes.len() {
            self.bytes[self.len] = bytes[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    pub(super) const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            // Cut inside a character: names may be in any script.
            Err(_) => "this declaration contradicts another one",
        }
    }

    /// Adds the patterns that the author of one that never matches `key` probably meant: the narrow one, then the wide
    /// one. Does what `routing::suggest_pattern` does, as far as a constant can do it.
    pub(super) const fn proposals(self, pattern: &str, key: &str) -> Self {
        let narrow = Self::EMPTY.words(key, count(key), if ends_in_star(pattern) { "*" } else { "" });
        let wide = Self::EMPTY.words(key, agreeing(pattern, key), "").text(".#");
        if has_hash(pattern) || !overlaps(narrow.as_str(), key) {
            return self.code(wide.as_str());
        }
        self.code(narrow.as_str()).text(" or ").code(wide.as_str())
    }

    /// Adds the first `count` words of a key, with `*` for placeholders; the last one replaced by `last`, if there is
    /// one.
    const fn words(mut self, key: &str, count: usize, last: &str) -> Self {
        let mut i = 0;
        while i < count {
            if i > 0 {
                self = self.text(".");
            }
            let word = word(key, i);
            self = if i + 1 == count && !last.is_empty() {
                self.text(last)
            } else if !word.is_empty() && word[0] == b'{' {
                self.text("*")
            } else {
                self.bytes(word)
            };
            i += 1;
        }
        self
    }
}

/// The word with this number; empty past the end.
const fn word(text: &str, number: usize) -> &[u8] {
    let mut rest = text.as_bytes();
    let mut i = 0;
    loop {
        let mut end = 0;
        while end < rest.len() && rest[end] != b'.' {
            end += 1;
        }
        let (word, after) = rest.split_at(end);
        if i == number {
            return word;
        }
        let [_, next @ ..] = after else {
            return &[];
        };
        rest = next;
        i += 1;
    }
}

const fn count(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut dots, mut i) = (0, 0);
    while i < bytes.len() {
        if bytes[i] == b'.' {
            dots += 1;
        }
        i += 1;
    }
    dots + 1
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    i == a.len() && i == b.len()
}

/// The number of leading words that agree; at least one, and fewer than all.
const fn agreeing(pattern: &str, key: &str) -> usize {
    let most = count(key) - 1;
    let mut front = 0;
    while front < most && front < count(pattern) && same(word(pattern, front), word(key, front)) {
        front += 1;
    }
    if front == 0 { 1 } else { front }
}

const fn ends_in_star(pattern: &str) -> bool {
    same(word(pattern, count(pattern) - 1), b"*")
}

const fn has_hash(pattern: &str) -> bool {
    let mut i = 0;
    while i < count(pattern) {
        if same(word(pattern, i), b"#") {
            return true;
        }
        i += 1;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::{covers, suggest_pattern};

    #[test]
    fn proposes_what_matches() {
        for (pattern, key, expected) in [
            ("fireflies.*", "fireflies.transcript.ready", "`fireflies.transcript.*` or `fireflies.#`"),
            ("orders.order.shipped", "orders.order.placed", "`orders.order.placed` or `orders.order.#`"),
            ("order.#", "orders.order.placed", "`orders.#`"),
            ("artefact.*", "artifact.{action}", "`artifact.*` or `artifact.#`"),
            ("*", "orders.placed", "`orders.*` or `orders.#`"),
        ] {
            let proposed = Sentence::EMPTY.proposals(pattern, key);
            assert_eq!(proposed.as_str(), expected, "{pattern} {key}");
            for proposal in expected.split(" or ") {
                assert!(covers(proposal.trim_matches('`'), key), "{proposal} {key}");
            }
            assert!(!suggest_pattern(pattern, key).is_empty());
        }
    }
}
