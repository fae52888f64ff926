//! Iterators over the words of a text, without allocation, so that constants can use them.

/// A cursor in a text, at the start of a word or past the last one.
///
/// As in AMQP, the empty text has no words, and `a.` has two: `a` and the empty one.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        // `at > len` means "no word here", so the empty text starts at 1.
        let at = if bytes.is_empty() { 1 } else { 0 };
        Self { bytes, at }
    }

    pub(crate) const fn done(self) -> bool {
        self.at > self.bytes.len()
    }

    pub(crate) const fn word(self) -> &'a [u8] {
        slice(self.bytes, self.at, self.end())
    }

    pub(crate) const fn next(self) -> Self {
        Self { bytes: self.bytes, at: self.end() + 1 }
    }

    const fn end(self) -> usize {
        let mut end = self.at;
        while end < self.bytes.len() && self.bytes[end] != b'.' {
            end += 1;
        }
        end
    }
}

/// A cursor in a text that moves from the last word to the first.
#[derive(Clone, Copy)]
pub(crate) struct WordsBack<'a> {
    bytes: &'a [u8],
    /// The end of the word, plus one; zero when no word is left.
    end: usize,
}

impl<'a> WordsBack<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        let end = if bytes.is_empty() { 0 } else { bytes.len() + 1 };
        Self { bytes, end }
    }

    #[cfg(test)]
    pub(crate) const fn done(self) -> bool {
        self.end == 0
    }

    pub(crate) const fn word(self) -> &'a [u8] {
        slice(self.bytes, self.start(), self.end - 1)
    }

    pub(crate) const fn next(self) -> Self {
        Self { bytes: self.bytes, end: self.start() }
    }

    const fn start(self) -> usize {
        let mut start = self.end - 1;
        while start > 0 && self.bytes[start - 1] != b'.' {
            start -= 1;
        }
        start
    }
}

const fn slice(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.split_at(end).0.split_at(start).1
}

pub(crate) const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

pub(crate) const fn is_star(word: &[u8]) -> bool {
    word.len() == 1 && word[0] == b'*'
}

pub(crate) const fn is_hash(word: &[u8]) -> bool {
    word.len() == 1 && word[0] == b'#'
}

pub(crate) const fn is_placeholder(word: &[u8]) -> bool {
    word.len() > 2 && word[0] == b'{' && word[word.len() - 1] == b'}'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forward(text: &str) -> Vec<&[u8]> {
        let mut words = Words::new(text);
        let mut found = Vec::new();
        while !words.done() {
            found.push(words.word());
            words = words.next();
        }
        found
    }

    fn backward(text: &str) -> Vec<&[u8]> {
        let mut words = WordsBack::new(text);
        let mut found = Vec::new();
        while !words.done() {
            found.push(words.word());
            words = words.next();
        }
        found
    }

    #[test]
    fn both_directions_see_the_words_a_broker_sees() {
        for text in ["a", "a.b", "a.", ".a", ".", "a..b", "abc.d.ef", "é.ü"] {
            let expected: Vec<&[u8]> = text.split('.').map(str::as_bytes).collect();
            assert_eq!(forward(text), expected, "{text:?}");
            let mut reversed = backward(text);
            reversed.reverse();
            assert_eq!(reversed, expected, "{text:?}");
        }
        assert!(forward("").is_empty());
        assert!(backward("").is_empty());
    }
}
