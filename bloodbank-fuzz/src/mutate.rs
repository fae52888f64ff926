//! Mutations: a new input from known ones.

use bloodbank_harness::Random;

/// The length in bytes to which longer inputs are cut.
const LONGEST: usize = 4 * 1024;
/// The dictionary for all targets: tokens of JSON, and texts that are known to break parsers.
const COMMON_WORDS: [&[u8]; 26] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"true",
    b"0",
    b"1.5",
    b"\0",
    b"\xff",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"\\u0000",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"-9223372036854775808",
    b"null",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":{\"a\":",
    "\u{202e}ä\u{1f600}".as_bytes(),
    b"%00%ff%",
    b"\r\n",
];

/// A mutator of inputs with the dictionary of a target.
pub struct Mutator {
    words: &'static [&'static str],
}

impl Mutator {
    /// Makes a mutator that uses these words beside the common ones.
    pub fn new(words: &'static [&'static str]) -> Self {
        Self { words }
    }

    /// Returns one of these inputs, changed in a few places.
    pub fn mutate(&self, corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
        let mut input = random.choose(corpus).clone();
        // Few changes come far, many come to strange places.
        for _ in 0..1 + up_to(3, random) {
            self.change(&mut input, corpus, random);
        }
        input.truncate(LONGEST);
        input
    }

    fn change(&self, input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
        let at = random.place(input.len() + 1);
        let end = (at + up_to(7, random)).min(input.len());
        match random.below(10) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = u8::try_from(random.below(256)).unwrap_or_default(),
            2 => drop(input.drain(at..end)),
            3 => input.truncate(at),
            4 => {
                // The same once more, a few times.
                let part = input[at..end].repeat(1 + random.place(16));
                insert(input, at, &part);
            }
            5 | 6 => {
                let word = self.word(random);
                replace(input, at, if random.below(2) == 0 { at } else { end }, word);
            }
            7 => {
                // A word of the language in place of another.
                let known = self.words.iter().map(|word| word.as_bytes()).chain(COMMON_WORDS);
                let present: Vec<_> = known.filter_map(|word| Some((position(input, word)?, word.len()))).collect();
                if !present.is_empty() {
                    let (at, length) = *random.choose(&present);
                    replace(input, at, at + length, self.word(random));
                }
            }
            _ => {
                // Part of another input.
                let other = random.choose(corpus);
                let from = random.place(other.len() + 1);
                let to = (from + up_to(8, random)).min(other.len());
                replace(input, at, if random.below(2) == 0 { at } else { end }, &other[from..to]);
            }
        }
    }

    fn word(&self, random: &mut Random) -> &'static [u8] {
        let place = random.place(self.words.len() + COMMON_WORDS.len());
        match self.words.get(place) {
            Some(word) => word.as_bytes(),
            None => COMMON_WORDS[place - self.words.len()],
        }
    }
}

/// A random number below two to the power of `most`; small ones are more likely.
fn up_to(most: u64, random: &mut Random) -> usize {
    let bits = random.below(most + 1);
    random.place(1 << bits)
}

fn position(input: &[u8], word: &[u8]) -> Option<usize> {
    input.windows(word.len().max(1)).position(|part| part == word)
}

fn insert(input: &mut Vec<u8>, at: usize, part: &[u8]) {
    replace(input, at, at, part);
}

fn replace(input: &mut Vec<u8>, from: usize, to: usize, part: &[u8]) {
    drop(input.splice(from..to, part.iter().copied()));
}
