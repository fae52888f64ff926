//! Loads a trace from the store: level by level, in both directions at once.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Trace, TraceEvent};
use crate::{
    correlation::{topological::topological, tracker::CorrelationTracker},
    error::Result,
    store::{APP, EVENT_TYPE, LinkEntry},
};

/// The default for the largest number of events in a trace: more than anybody looks at.
const MOST: usize = 10_000;

impl Trace {
    /// Loads everything around an event, at most 10,000 events.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when the store fails.
    pub async fn load(tracker: &CorrelationTracker, event: Uuid) -> Result<Self> {
        Self::load_at_most(tracker, event, MOST).await
    }

    /// Loads everything around an event, the nearest first, at most `most` events.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when the store fails.
    pub async fn load_at_most(tracker: &CorrelationTracker, event: Uuid, most: usize) -> Result<Self> {
        let mut trace = Self {
            around: event,
            events: Vec::new(),
            truncated: false,
            may_be_incomplete: false,
            malformed: Vec::new(),
        };
        let mut graph = Graph::default();
        graph.add(event);
        let mut read = 0;
        while read < graph.events.len() {
            let level = graph.events[read..].to_vec();
            let (entries, children) = tracker.around(&level).await?;
            trace.malformed.extend(entries.malformed);
            trace.malformed.extend(children.malformed);
            for (offset, (entry, children)) in entries.values.into_iter().zip(children.values).enumerate() {
                let node = read + offset;
                trace.may_be_incomplete |= tracker.may_be_incomplete(level[offset], entry.as_ref());
                let parents = entry.as_ref().map_or(&[][..], |entry| &entry.parents);
                let neighbours = parents.iter().map(|parent| (*parent, true));
                for (neighbour, is_parent) in neighbours.chain(children.iter().map(|child| (*child, false))) {
                    if graph.events.len() >= most && !graph.numbers.contains_key(&neighbour) {
                        trace.truncated = true;
                        continue;
                    }
                    let neighbour = graph.add(neighbour);
                    graph.edges.push(if is_parent { (neighbour, node) } else { (node, neighbour) });
                }
                graph.entries.push(entry);
            }
            read += level.len();
        }
        trace.events = graph.into_events();
        Ok(trace)
    }
}

#[derive(Default)]
struct Graph {
    numbers: HashMap<Uuid, usize>,
    events: Vec<Uuid>,
    entries: Vec<Option<LinkEntry>>,
    /// The edges as (cause, effect); most are found from both ends.
    edges: Vec<(usize, usize)>,
}

impl Graph {
    fn add(&mut self, event: Uuid) -> usize {
        let next = self.events.len();
        let number = *self.numbers.entry(event).or_insert(next);
        if number == next {
            self.events.push(event);
        }
        number
    }

    /// Sorts the events: causes first, otherwise by time. An event without a time takes that of its first effect.
    fn into_events(mut self) -> Vec<TraceEvent> {
        self.edges.sort_unstable();
        self.edges.dedup();
        let mut times: Vec<_> =
            self.entries.iter().map(|entry| entry.as_ref().and_then(|entry| entry.created_at)).collect();
        for &(cause, effect) in &self.edges {
            if self.entries[cause].is_none() {
                times[cause] = [times[cause], times[effect]].into_iter().flatten().min();
            }
        }
        let mut by_time: Vec<usize> = (0..self.events.len()).collect();
        by_time.sort_by_key(|&node| (times[node], self.events[node]));
        let mut ranks = vec![0; by_time.len()];
        for (rank, &node) in by_time.iter().enumerate() {
            ranks[node] = rank;
        }
        let mut edges: Vec<_> = self.edges.iter().map(|&(cause, effect)| (ranks[cause], ranks[effect])).collect();
        edges.sort_unstable();

        let mut children = vec![Vec::new(); ranks.len()];
        let mut parents = vec![Vec::new(); ranks.len()];
        for &(cause, effect) in &edges {
            children[cause].push(self.events[by_time[effect]]);
            parents[effect].push(self.events[by_time[cause]]);
        }
        topological(ranks.len(), &edges)
            .into_iter()
            .map(|rank| {
                let node = by_time[rank];
                let (children, parents) = (std::mem::take(&mut children[rank]), std::mem::take(&mut parents[rank]));
                event(self.events[node], self.entries[node].take(), parents, children)
            })
            .collect()
    }
}

fn event(event_id: Uuid, entry: Option<LinkEntry>, mut parents: Vec<Uuid>, children: Vec<Uuid>) -> TraceEvent {
    let time = entry.as_ref().and_then(|entry| entry.created_at);
    let (known, mut metadata) = entry.map(|entry| (entry.parents, entry.metadata)).unwrap_or_default();
    // The order of the envelope where there is one.
    parents.sort_by_key(|parent| known.iter().position(|known| known == parent).unwrap_or(usize::MAX));
    let mut text = |name| match metadata.get(name)?.as_str() {
        Some(_) => metadata.remove(name)?.as_str().map(str::to_owned),
        None => None,
    };
    TraceEvent { event_id, event_type: text(EVENT_TYPE), app: text(APP), time, parents, children, metadata }
}
