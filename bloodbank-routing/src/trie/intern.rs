//! Words as numbers, so that a lookup hashes each word of a key once.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

pub(super) type WordId = u32;

/// The literal words of all patterns, counted.
#[derive(Debug, Clone, Default)]
pub(super) struct Interner {
    ids: HashMap<Box<str>, WordId, Quick>,
    words: Vec<Entry>,
    free: Vec<WordId>,
}

#[derive(Debug, Clone)]
struct Entry {
    word: Box<str>,
    edges: usize,
}

impl Interner {
    pub(super) fn get(&self, word: &str) -> Option<WordId> {
        self.ids.get(word).copied()
    }

    /// The number of a word; new words have no edges yet.
    pub(super) fn intern(&mut self, word: &str) -> WordId {
        if let Some(id) = self.get(word) {
            return id;
        }
        let entry = Entry { word: word.into(), edges: 0 };
        let id = match self.free.pop() {
            Some(id) => {
                self.words[id as usize] = entry;
                id
            }
            None => {
                self.words.push(entry);
                to_id(self.words.len() - 1)
            }
        };
        self.ids.insert(word.into(), id);
        id
    }

    pub(super) fn edge_added(&mut self, id: WordId) {
        self.words[id as usize].edges += 1;
    }

    /// Forgets the word with its last edge.
    pub(super) fn edge_removed(&mut self, id: WordId) {
        let entry = &mut self.words[id as usize];
        entry.edges -= 1;
        if entry.edges == 0 {
            self.ids.remove(&std::mem::take(&mut entry.word));
            self.free.push(id);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }
}

pub(super) fn to_id(index: usize) -> u32 {
    u32::try_from(index).expect("four thousand million bindings do not fit in memory")
}

pub(super) type Quick = BuildHasherDefault<QuickHasher>;

/// FNV-1a with a final mix. Keys are short, and only words of our own bindings are ever stored, so
/// nobody outside can make them collide.
#[derive(Debug, Clone, Copy)]
pub(super) struct QuickHasher(u64);

impl Default for QuickHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for QuickHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        // The table reads the lowest and the highest bits; multiplication fills only the high ones.
        self.0 ^ (self.0 >> 32)
    }
}
