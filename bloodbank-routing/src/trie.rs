//! The pattern trie: values under binding patterns, found by routing key.

use rustc_hash::FxHashMap;

/// Values stored under binding patterns, found by routing key. A lookup visits only the patterns that
/// share a beginning with the key, and reports each stored value once, however many ways its pattern
/// matches.
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
    /// Node 0 is the root: the beginning that all patterns share.
    nodes: Vec<Node<T>>,
    /// Places in `nodes` that can be used again.
    free: Vec<NodeId>,
    len: usize,
}

type NodeId = usize;

const ROOT: NodeId = 0;

/// A beginning that one or more patterns have.
#[derive(Debug, Clone)]
struct Node<T> {
    values: Vec<T>,
    /// The nodes one word further on; `*` and `#` are words too.
    children: FxHashMap<Box<str>, NodeId>,
    /// The parent and the word that leads here from it; `None` for the root and for free nodes.
    parent: Option<(NodeId, Box<str>)>,
}

impl<T> Node<T> {
    fn new(parent: Option<(NodeId, Box<str>)>) -> Self {
        Self { values: Vec::new(), children: FxHashMap::default(), parent }
    }

    /// Whether the node is that of a `#`, which takes any number of words.
    fn is_hash(&self) -> bool {
        self.parent.as_ref().is_some_and(|(_, word)| &**word == "#")
    }
}

impl<T> Default for PatternTrie<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> PatternTrie<T> {
    /// A trie without bindings.
    pub fn new() -> Self {
        Self { nodes: vec![Node::new(None)], free: Vec::new(), len: 0 }
    }

    /// The number of stored values.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no value is stored.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Stores a value under a pattern. A pattern can have many values, equal ones too.
    pub fn insert(&mut self, pattern: &str, value: T) {
        let node = words(pattern).fold(ROOT, |node, word| match self.nodes[node].children.get(word) {
            Some(child) => *child,
            None => self.add(node, word),
        });
        self.nodes[node].values.push(value);
        self.len += 1;
    }

    /// The values stored under exactly this pattern, in the order in which they were inserted.
    pub fn get(&self, pattern: &str) -> &[T] {
        self.find(pattern).map_or(&[], |node| self.nodes[node].values.as_slice())
    }

    /// Removes one value that equals `value` from exactly this pattern, and returns whether there was one.
    pub fn remove(&mut self, pattern: &str, value: &T) -> bool
    where
        T: PartialEq,
    {
        let Some(node) = self.find(pattern) else {
            return false;
        };
        let values = &mut self.nodes[node].values;
        let Some(at) = values.iter().position(|stored| stored == value) else {
            return false;
        };
        values.remove(at);
        self.len -= 1;
        self.prune(node);
        true
    }

    /// Removes and returns all values of exactly this pattern.
    pub fn remove_pattern(&mut self, pattern: &str) -> Vec<T> {
        let Some(node) = self.find(pattern) else {
            return Vec::new();
        };
        let values = std::mem::take(&mut self.nodes[node].values);
        self.len -= values.len();
        self.prune(node);
        values
    }

    /// Removes the values, under any pattern, for which `keep` returns false.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for node in 0..self.nodes.len() {
            let values = &mut self.nodes[node].values;
            let before = values.len();
            values.retain(&mut keep);
            self.len -= before - values.len();
            self.prune(node);
        }
    }

    /// Calls `found` with each value whose pattern matches the key. A value stored under several
    /// matching patterns is reported once for each of them.
    ///
    /// Visits each node of the tree at most once per word of the key.
    pub fn for_each_match<'a>(&'a self, key: &str, found: impl FnMut(&'a T)) {
        let (mut active, mut next) = (Vec::new(), Vec::new());
        self.enter(ROOT, &mut active);
        for word in words(key) {
            for &id in &active {
                let node = &self.nodes[id];
                if node.is_hash() {
                    next.push(id);
                }
                for word in [word, "*"] {
                    if let Some(&child) = node.children.get(word) {
                        self.enter(child, &mut next);
                    }
                }
            }
            // A `#` is reached from above and by staying where it is.
            next.sort_unstable();
            next.dedup();
            std::mem::swap(&mut active, &mut next);
            next.clear();
        }
        active.into_iter().flat_map(|id| &self.nodes[id].values).for_each(found);
    }

    /// Whether any pattern matches the key.
    pub fn matches_any(&self, key: &str) -> bool {
        let mut any = false;
        self.for_each_match(key, |_| any = true);
        any
    }

    /// Adds a node to `nodes`, and the `#` below it, which also stands for no word at all.
    fn enter(&self, mut id: NodeId, nodes: &mut Vec<NodeId>) {
        nodes.push(id);
        while let Some(&hash) = self.nodes[id].children.get("#") {
            nodes.push(hash);
            id = hash;
        }
    }

    fn find(&self, pattern: &str) -> Option<NodeId> {
        words(pattern).try_fold(ROOT, |node, word| self.nodes[node].children.get(word).copied())
    }

    fn add(&mut self, parent: NodeId, word: &str) -> NodeId {
        let node = Node::new(Some((parent, word.into())));
        let id = match self.free.pop() {
            Some(id) => {
                self.nodes[id] = node;
                id
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        self.nodes[parent].children.insert(word.into(), id);
        id
    }

    /// Frees a node if nothing needs it, and then those above it.
    fn prune(&mut self, mut id: NodeId) {
        while self.nodes[id].values.is_empty() && self.nodes[id].children.is_empty() {
            let Some((parent, word)) = self.nodes[id].parent.take() else {
                return;
            };
            self.nodes[parent].children.remove(&word);
            self.free.push(id);
            id = parent;
        }
    }
}

/// The words of a pattern or key; AMQP's empty text has none.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split('.').filter(move |_| !text.is_empty())
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
            trie.retain(|value| value.starts_with('a'));
            assert_eq!(trie.len(), 3);
            assert_eq!(found(&trie, "a.b.c"), ["a.#.#", "a.*.c", "a.b.c"]);
            trie.retain(|_| false);
            assert!(trie.is_empty() && !trie.matches_any("a.b.c"));
            assert!(trie.nodes[ROOT].children.is_empty(), "{round}");
            // Nodes are used again instead of growing with every round.
            assert_eq!((trie.nodes.len(), trie.free.len()), (11, 10), "{round}");
        }
    }
}
