//! Chains: causes or effects, followed level by level.

use std::collections::HashMap;

use serde::Serialize;
use uuid::Uuid;

use super::{depth_first::depth_first, topological::topological};
use crate::error::Result;
use crate::store::{LinkStore, MalformedEntry};

/// The direction in which a chain is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Towards the first cause.
    Ancestors,
    /// Towards the last effect.
    Descendants,
}

/// The order of the events in a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ChainOrder {
    /// Causes before effects, in both directions. The events are at most as many links away from the start as asked for.
    #[default]
    CausesFirst,
    /// As the Python side lists them: the start last, and each event after those that were reached through it. Descendants
    /// therefore come effects first. The start counts as one step of the depth.
    DepthFirst,
}

/// A chain: the events that led to an event, or that it led to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Chain {
    /// Every event once, in the order that was asked for; includes the start if anything is known in that direction.
    pub events: Vec<Uuid>,
    /// Malformed values, which another program wrote; the chain goes on around them.
    pub malformed: Vec<MalformedEntry>,
    /// Whether some events are at the maximum distance from the start and were not followed further.
    pub truncated: bool,
}

/// Follows a chain with one round trip for each level.
pub(super) async fn follow(
    store: &dyn LinkStore,
    start: Uuid,
    direction: Direction,
    max_depth: usize,
    order: ChainOrder,
) -> Result<Chain> {
    let mut graph = Graph::default();
    let mut malformed = Vec::new();
    let mut level = vec![graph.node(start).0];
    let mut depth = 0;
    while !level.is_empty() && depth < max_depth {
        let events: Vec<Uuid> = level.iter().map(|&node| graph.events[node]).collect();
        let neighbours = match direction {
            Direction::Ancestors => {
                let read = store.entries(&events).await?;
                malformed.extend(read.malformed);
                let parents = read.values.into_iter();
                parents.map(|entry| entry.map(|entry| entry.parents).unwrap_or_default()).collect()
            }
            Direction::Descendants => {
                let read = store.children(&events).await?;
                malformed.extend(read.malformed);
                read.values
            }
        };
        let mut next = Vec::new();
        for (&from, neighbours) in level.iter().zip(&neighbours) {
            for &neighbour in neighbours {
                let (to, is_new) = graph.node(neighbour);
                if is_new {
                    next.push(to);
                }
                graph.edges.push(match direction {
                    Direction::Ancestors => (to, from),
                    Direction::Descendants => (from, to),
                });
            }
        }
        level = next;
        depth += 1;
    }
    let known = graph.events.len();
    let events = match order {
        ChainOrder::CausesFirst => graph.sorted(direction),
        ChainOrder::DepthFirst => graph.depth_first(direction, max_depth),
    };
    let truncated = !level.is_empty() || !events.is_empty() && events.len() < known;
    Ok(Chain { truncated, events, malformed })
}

/// The events by number, in the order of their discovery.
#[derive(Default)]
struct Graph {
    numbers: HashMap<Uuid, usize>,
    events: Vec<Uuid>,
    /// The edges as (cause, effect).
    edges: Vec<(usize, usize)>,
}

impl Graph {
    fn node(&mut self, event: Uuid) -> (usize, bool) {
        let next = self.events.len();
        let number = *self.numbers.entry(event).or_insert(next);
        if number == next {
            self.events.push(event);
        }
        (number, number == next)
    }

    fn depth_first(self, direction: Direction, max_depth: usize) -> Vec<Uuid> {
        if self.edges.is_empty() {
            return Vec::new();
        }
        let mut next = vec![Vec::new(); self.events.len()];
        for (cause, effect) in self.edges {
            match direction {
                Direction::Ancestors => next[effect].push(cause),
                Direction::Descendants => next[cause].push(effect),
            }
        }
        depth_first(&next, max_depth).into_iter().map(|node| self.events[node]).collect()
    }

    fn sorted(mut self, direction: Direction) -> Vec<Uuid> {
        if self.edges.is_empty() {
            return Vec::new();
        }
        if direction == Direction::Ancestors {
            // What is furthest from the start goes first.
            let last = self.events.len() - 1;
            self.events.reverse();
            for (cause, effect) in &mut self.edges {
                (*cause, *effect) = (last - *cause, last - *effect);
            }
        }
        let order = topological(self.events.len(), &self.edges);
        order.into_iter().map(|node| self.events[node]).collect()
    }
}
