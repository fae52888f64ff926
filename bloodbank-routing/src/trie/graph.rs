//! The tree of patterns: one node for every beginning of a pattern.

use std::collections::HashMap;

use super::intern::{Interner, Quick, WordId, to_id};

pub(super) type NodeId = u32;

pub(super) const ROOT: NodeId = 0;

#[derive(Debug, Clone)]
pub(super) struct Graph<T> {
    nodes: Vec<Node<T>>,
    free_nodes: Vec<NodeId>,
    /// All edges with a word, under parent and word: one table, however uneven the tree.
    edges: HashMap<u64, NodeId, Quick>,
    /// Numbers given to the nodes of a `#`, so far.
    hash_numbers: usize,
    free_hash_numbers: Vec<usize>,
}

#[derive(Debug, Clone)]
pub(super) struct Node<T> {
    pub(super) values: Vec<T>,
    pub(super) star: Option<NodeId>,
    pub(super) hash: Option<NodeId>,
    /// How many children have a word.
    pub(super) literals: usize,
    /// For the node of a `#`: its number among those.
    pub(super) hash_number: usize,
    /// The parent and what leads here from it; `None` for the root and for nodes out of use.
    above: Option<(NodeId, Edge)>,
}

#[derive(Debug, Clone, Copy)]
enum Edge {
    Literal(WordId),
    Star,
    Hash,
}

impl<T> Node<T> {
    fn new(above: Option<(NodeId, Edge)>, hash_number: usize) -> Self {
        Self { values: Vec::new(), star: None, hash: None, literals: 0, hash_number, above }
    }

    fn unused(&self) -> bool {
        self.values.is_empty() && self.star.is_none() && self.hash.is_none() && self.literals == 0
    }
}

impl<T> Graph<T> {
    pub(super) fn new() -> Self {
        Self {
            nodes: vec![Node::new(None, 0)],
            free_nodes: Vec::new(),
            edges: HashMap::default(),
            hash_numbers: 0,
            free_hash_numbers: Vec::new(),
        }
    }

    pub(super) fn node(&self, id: NodeId) -> &Node<T> {
        &self.nodes[id as usize]
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node<T> {
        &mut self.nodes[id as usize]
    }

    /// Every node, including those out of use, which have no values.
    pub(super) fn ids(&self) -> std::ops::Range<NodeId> {
        0..to_id(self.nodes.len())
    }

    pub(super) fn hash_numbers(&self) -> usize {
        self.hash_numbers
    }

    pub(super) fn literal(&self, node: NodeId, word: WordId) -> Option<NodeId> {
        if self.node(node).literals == 0 {
            return None;
        }
        self.edges.get(&edge_key(node, word)).copied()
    }

    pub(super) fn literal_of(&mut self, node: NodeId, word: WordId, words: &mut Interner) -> NodeId {
        if let Some(child) = self.literal(node, word) {
            return child;
        }
        let child = self.add(node, Edge::Literal(word));
        self.edges.insert(edge_key(node, word), child);
        self.node_mut(node).literals += 1;
        words.edge_added(word);
        child
    }

    pub(super) fn star_of(&mut self, node: NodeId) -> NodeId {
        if let Some(child) = self.node(node).star {
            return child;
        }
        let child = self.add(node, Edge::Star);
        self.node_mut(node).star = Some(child);
        child
    }

    pub(super) fn hash_of(&mut self, node: NodeId) -> NodeId {
        if let Some(child) = self.node(node).hash {
            return child;
        }
        let child = self.add(node, Edge::Hash);
        let number = self.free_hash_numbers.pop().unwrap_or_else(|| {
            self.hash_numbers += 1;
            self.hash_numbers - 1
        });
        self.node_mut(child).hash_number = number;
        self.node_mut(node).hash = Some(child);
        child
    }

    fn add(&mut self, parent: NodeId, edge: Edge) -> NodeId {
        let node = Node::new(Some((parent, edge)), 0);
        match self.free_nodes.pop() {
            Some(id) => {
                *self.node_mut(id) = node;
                id
            }
            None => {
                self.nodes.push(node);
                to_id(self.nodes.len() - 1)
            }
        }
    }

    /// Takes a node out if nothing needs it, and then those above it.
    pub(super) fn prune(&mut self, mut id: NodeId, words: &mut Interner) {
        while self.node(id).unused() {
            let Some((parent, edge)) = self.node_mut(id).above.take() else {
                return;
            };
            match edge {
                Edge::Literal(word) => {
                    self.edges.remove(&edge_key(parent, word));
                    self.node_mut(parent).literals -= 1;
                    words.edge_removed(word);
                }
                Edge::Star => self.node_mut(parent).star = None,
                Edge::Hash => {
                    self.free_hash_numbers.push(self.node(id).hash_number);
                    self.node_mut(parent).hash = None;
                }
            }
            self.free_nodes.push(id);
            id = parent;
        }
    }

    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.nodes.len() - self.free_nodes.len()
    }

    #[cfg(test)]
    pub(super) fn edges(&self) -> usize {
        self.edges.len()
    }
}

fn edge_key(node: NodeId, word: WordId) -> u64 {
    u64::from(node) << 32 | u64::from(word)
}
