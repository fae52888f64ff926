//! Many bindings at once: which of them does a key match?

mod graph;
mod intern;

use graph::{Graph, Node, NodeId, ROOT};
use intern::Interner;

/// Values under binding patterns. A lookup looks at the bindings that share a beginning with the key
/// and at no others, and reports each stored value once, however many ways its pattern matches.
///
/// ```
/// use bloodbank_routing::PatternTrie;
/// let mut bindings = PatternTrie::new();
/// bindings.insert("orders.#", "audit");
/// bindings.insert("orders.*.placed", "shipping");
/// bindings.insert("fireflies.#", "notes");
///
/// let mut queues = Vec::new();
/// bindings.for_each_match("orders.order.placed", |queue| queues.push(*queue));
/// queues.sort();
/// assert_eq!(queues, ["audit", "shipping"]);
/// ```
#[derive(Debug, Clone)]
pub struct PatternTrie<T> {
    graph: Graph<T>,
    words: Interner,
    len: usize,
}

impl<T> Default for PatternTrie<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> PatternTrie<T> {
    /// No bindings.
    pub fn new() -> Self {
        Self { graph: Graph::new(), words: Interner::default(), len: 0 }
    }

    /// How many values are stored.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no value is stored.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Stores a value under a pattern. A pattern can have many values, equal ones too.
    pub fn insert(&mut self, pattern: &str, value: T) {
        let mut node = ROOT;
        for word in words(pattern) {
            node = match word {
                "*" => self.graph.star_of(node),
                "#" => self.graph.hash_of(node),
                word => {
                    let word = self.words.intern(word);
                    self.graph.literal_of(node, word, &mut self.words)
                }
            };
        }
        self.graph.node_mut(node).values.push(value);
        self.len += 1;
    }

    /// The values stored under exactly this pattern, in the order in which they came.
    pub fn get(&self, pattern: &str) -> &[T] {
        self.find(pattern).map_or(&[], |node| self.graph.node(node).values.as_slice())
    }

    /// Removes one value that equals `value` from exactly this pattern; whether there was one.
    pub fn remove(&mut self, pattern: &str, value: &T) -> bool
    where
        T: PartialEq,
    {
        let Some(node) = self.find(pattern) else {
            return false;
        };
        let values = &mut self.graph.node_mut(node).values;
        let Some(at) = values.iter().position(|stored| stored == value) else {
            return false;
        };
        values.remove(at);
        self.len -= 1;
        self.graph.prune(node, &mut self.words);
        true
    }

    /// Removes and returns all values of exactly this pattern.
    pub fn remove_pattern(&mut self, pattern: &str) -> Vec<T> {
        let Some(node) = self.find(pattern) else {
            return Vec::new();
        };
        let values = std::mem::take(&mut self.graph.node_mut(node).values);
        self.len -= values.len();
        self.graph.prune(node, &mut self.words);
        values
    }

    /// Removes the values, under any pattern, for which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for node in self.graph.ids() {
            let values = &mut self.graph.node_mut(node).values;
            let before = values.len();
            values.retain(&mut keep);
            let after = values.len();
            if after < before {
                self.len -= before - after;
                self.graph.prune(node, &mut self.words);
            }
        }
    }

    /// Calls `found` with each value whose pattern matches the key. A value stored under several
    /// matching patterns is reported once for each of them.
    ///
    /// Visits each node of the tree at most once per word of the key.
    pub fn for_each_match<'a>(&'a self, key: &str, found: impl FnMut(&'a T)) {
        let mut walk = Walk::new(self, found);
        for word in words(key) {
            if walk.active.is_empty() && walk.hashes.is_empty() {
                return;
            }
            walk.step(word);
        }
        walk.finish();
    }

    /// Whether any pattern matches the key.
    pub fn matches_any(&self, key: &str) -> bool {
        let mut any = false;
        self.for_each_match(key, |_| any = true);
        any
    }

    fn find(&self, pattern: &str) -> Option<NodeId> {
        words(pattern).try_fold(ROOT, |node, word| match word {
            "*" => self.graph.node(node).star,
            "#" => self.graph.node(node).hash,
            word => self.graph.literal(node, self.words.get(word)?),
        })
    }
}

/// The words of a pattern or key; AMQP's empty text has none.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split('.').filter(move |_| !text.is_empty())
}

/// The places in the tree that the words so far lead to.
///
/// A node has one parent, so it can be reached twice only through a `#` above it, and then only by
/// the same word; what can be entered twice is the node of a `#` itself, and `entered` prevents that.
struct Walk<'a, T, F> {
    trie: &'a PatternTrie<T>,
    found: F,
    active: Vec<NodeId>,
    next: Vec<NodeId>,
    /// Nodes of a `#` that has something below it. They take any word, so they stay.
    hashes: Vec<NodeId>,
    /// A bit for each `#` of the tree: whether the walk has been there.
    entered: Vec<u64>,
}

impl<'a, T, F: FnMut(&'a T)> Walk<'a, T, F> {
    fn new(trie: &'a PatternTrie<T>, found: F) -> Self {
        let mut walk =
            Self { trie, found, active: Vec::new(), next: Vec::new(), hashes: Vec::new(), entered: Vec::new() };
        walk.enter(ROOT);
        std::mem::swap(&mut walk.active, &mut walk.next);
        walk
    }

    fn step(&mut self, word: &str) {
        let word = self.trie.words.get(word);
        // What `enter` adds to `hashes` on the way is there only from the next word on.
        let hashes = self.hashes.len();
        for i in 0..self.active.len() {
            self.follow(self.active[i], word);
        }
        for i in 0..hashes {
            self.follow(self.hashes[i], word);
        }
        self.active.clear();
        std::mem::swap(&mut self.active, &mut self.next);
    }

    fn follow(&mut self, node: NodeId, word: Option<intern::WordId>) {
        let graph = &self.trie.graph;
        if let Some(star) = graph.node(node).star {
            self.enter(star);
        }
        if let Some(word) = word
            && let Some(child) = graph.literal(node, word)
        {
            self.enter(child);
        }
    }

    /// Enters a node that is no `#`, and the `#` below it, which also stands for no word at all.
    fn enter(&mut self, id: NodeId) {
        self.next.push(id);
        let mut hash = self.trie.graph.node(id).hash;
        while let Some(id) = hash {
            let node = self.trie.graph.node(id);
            if !self.first_time(node) {
                return;
            }
            // Whatever the rest of the key is, it matches.
            node.values.iter().for_each(&mut self.found);
            if node.star.is_some() || node.literals > 0 {
                self.hashes.push(id);
            }
            hash = node.hash;
        }
    }

    fn first_time(&mut self, node: &Node<T>) -> bool {
        if self.entered.is_empty() {
            self.entered = vec![0; self.trie.graph.hash_numbers().div_ceil(64)];
        }
        let (at, bit) = (node.hash_number / 64, 1 << (node.hash_number % 64));
        let first = self.entered[at] & bit == 0;
        self.entered[at] |= bit;
        first
    }

    fn finish(mut self) {
        for id in self.active {
            self.trie.graph.node(id).values.iter().for_each(&mut self.found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(trie: &PatternTrie<&'a str>, key: &str) -> Vec<&'a str> {
        let mut found = Vec::new();
        trie.for_each_match(key, |value| found.push(*value));
        found.sort_unstable();
        found
    }

    #[test]
    fn reports_a_value_once_however_many_ways_it_matches() {
        let mut trie = PatternTrie::new();
        trie.insert("#.a.#", "x");
        trie.insert("#.#", "y");
        assert_eq!(found(&trie, "a.a.a"), ["x", "y"]);
        assert!(trie.matches_any(""));
    }

    #[test]
    fn keeps_equal_values_apart_by_pattern_and_by_count() {
        let mut trie = PatternTrie::new();
        trie.insert("a.*", "x");
        trie.insert("a.*", "x");
        trie.insert("a.#", "x");
        assert_eq!(found(&trie, "a.b"), ["x", "x", "x"]);
        assert_eq!(trie.get("a.*"), ["x", "x"]);
        assert!(trie.remove("a.*", &"x"));
        assert_eq!(found(&trie, "a.b"), ["x", "x"]);
        assert_eq!(trie.remove_pattern("a.#"), ["x"]);
        assert_eq!(found(&trie, "a.b"), ["x"]);
        assert!(!trie.remove("a.b", &"x"));
        assert!(!trie.remove("never.seen", &"x"));
        assert_eq!(trie.len(), 1);
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let mut trie = PatternTrie::new();
        for round in 0..3 {
            for pattern in ["a.b.c", "a.*.c", "#", "#.b.#", "a.#.#", ""] {
                trie.insert(pattern, pattern);
            }
            let (nodes, words) = (trie.graph.in_use(), trie.words.len());
            trie.retain(|value| value.starts_with('a'));
            assert_eq!(trie.len(), 3);
            assert_eq!(found(&trie, "a.b.c"), ["a.#.#", "a.*.c", "a.b.c"]);
            trie.retain(|_| false);
            assert!(trie.is_empty() && !trie.matches_any("a.b.c"));
            assert_eq!((trie.graph.in_use(), trie.graph.edges()), (1, 0), "{round}");
            assert_eq!((nodes, words, trie.words.len()), (11, 3, 0));
            // Numbers are used again instead of growing with every round.
            assert_eq!(trie.graph.hash_numbers(), 4);
        }
    }
}
