//! The causation graph of a trace: siblings of one type in one node, and a place for each node.

use std::collections::{HashMap, HashSet};

use bloodbank_core::correlation::Trace;
use chrono::TimeDelta;
use uuid::Uuid;

/// More siblings of one type than this are one node.
const MOST_ALIKE: usize = 3;
/// The number of siblings that are shown when somebody wants to see each.
const MOST_EXPANDED: usize = 200;

/// A node: an event, or siblings of one type.
#[derive(Debug)]
pub(crate) struct Node {
    /// The events, by their number in the trace; one, or more where they are collapsed.
    pub(crate) events: Vec<usize>,
    /// The nodes of their effects.
    pub(crate) children: Vec<usize>,
    pub(crate) parent: Option<usize>,
    /// The column, from the left.
    pub(crate) column: usize,
    /// The row, from the top, in halves.
    pub(crate) half_row: usize,
}

/// A link between nodes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The time between cause and effect, where both are one event.
    pub(crate) gap: Option<TimeDelta>,
    /// Whether this is not the first cause of the effect.
    pub(crate) is_extra: bool,
}

/// A graph that is laid out.
#[derive(Debug)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) columns: usize,
    pub(crate) half_rows: usize,
}

impl Graph {
    /// Lays a trace out. Siblings of one type become one node, unless the first of them is among `expanded`; the event that the
    /// trace is around is always seen alone.
    pub(crate) fn of(trace: &Trace, expanded: &HashSet<Uuid>) -> Self {
        let numbers: HashMap<Uuid, usize> =
            trace.events.iter().enumerate().map(|(number, event)| (event.event_id, number)).collect();
        let mut effects: Vec<Vec<usize>> = vec![Vec::new(); trace.events.len()];
        let mut roots = Vec::new();
        for (number, event) in trace.events.iter().enumerate() {
            match event.parents.iter().find_map(|parent| numbers.get(parent)) {
                Some(cause) => effects[*cause].push(number),
                None => roots.push(number),
            }
        }
        let mut graph = Self { nodes: Vec::new(), edges: Vec::new(), columns: 0, half_rows: 0 };
        let around = numbers.get(&trace.around).copied();
        let add = |graph: &mut Self, events: Vec<usize>, parent: Option<usize>| {
            for events in grouped(trace, events, around, expanded) {
                let column = parent.map_or(0, |parent| graph.nodes[parent].column + 1);
                let node = graph.nodes.len();
                if let Some(parent) = parent {
                    graph.nodes[parent].children.push(node);
                }
                graph.nodes.push(Node { events, children: Vec::new(), parent, column, half_row: 0 });
            }
        };
        add(&mut graph, roots, None);
        // No recursion: a chain may have thousands of links.
        let mut next = 0;
        while next < graph.nodes.len() {
            let below: Vec<usize> =
                graph.nodes[next].events.iter().flat_map(|event| effects[*event].iter().copied()).collect();
            add(&mut graph, below, Some(next));
            next += 1;
        }
        graph.link(trace, &numbers);
        graph.place();
        graph
    }

    /// The node of an event.
    pub(crate) fn node_of(&self, event: usize) -> Option<usize> {
        self.nodes.iter().position(|node| node.events.contains(&event))
    }

    fn link(&mut self, trace: &Trace, numbers: &HashMap<Uuid, usize>) {
        let mut node_of = vec![0; trace.events.len()];
        for (node, Node { events, .. }) in self.nodes.iter().enumerate() {
            events.iter().for_each(|event| node_of[*event] = node);
        }
        let mut extra = HashSet::new();
        for (to, node) in self.nodes.iter().enumerate() {
            if let Some(from) = node.parent {
                let time = |node: &Node| match node.events.as_slice() {
                    [one] => trace.events[*one].time,
                    _ => None,
                };
                let gap = time(node).zip(time(&self.nodes[from])).map(|(later, earlier)| later - earlier);
                self.edges.push(Edge { from, to, gap, is_extra: false });
            }
            for event in &node.events {
                for parent in trace.events[*event].parents.iter().filter_map(|parent| numbers.get(parent)) {
                    let from = node_of[*parent];
                    if node.parent != Some(from) && from != to && extra.insert((from, to)) {
                        self.edges.push(Edge { from, to, gap: None, is_extra: true });
                    }
                }
            }
        }
    }

    /// Places nodes: those without effects below each other, each other one in the middle of its effects.
    fn place(&mut self) {
        let mut order = Vec::with_capacity(self.nodes.len());
        let mut open: Vec<usize> =
            (0..self.nodes.len()).filter(|node| self.nodes[*node].parent.is_none()).rev().collect();
        while let Some(node) = open.pop() {
            order.push(node);
            open.extend(self.nodes[node].children.iter().rev());
        }
        let mut next = 0;
        for node in &order {
            self.columns = self.columns.max(self.nodes[*node].column + 1);
            if self.nodes[*node].children.is_empty() {
                self.nodes[*node].half_row = next;
                next += 2;
            }
        }
        self.half_rows = next;
        for node in order.iter().rev() {
            if let [first, .., last] | [first @ last] = self.nodes[*node].children.as_slice() {
                self.nodes[*node].half_row = usize::midpoint(self.nodes[*first].half_row, self.nodes[*last].half_row);
            }
        }
    }
}

/// Siblings in the order of their first, those of one type together where they are many.
fn grouped(trace: &Trace, events: Vec<usize>, around: Option<usize>, expanded: &HashSet<Uuid>) -> Vec<Vec<usize>> {
    let mut by_type: Vec<(Option<&str>, Vec<usize>)> = Vec::new();
    let mut places: HashMap<Option<&str>, usize> = HashMap::new();
    for event in events {
        let event_type = trace.events[event].event_type.as_deref();
        let place = *places.entry(event_type).or_insert_with(|| {
            by_type.push((event_type, Vec::new()));
            by_type.len() - 1
        });
        by_type[place].1.push(event);
    }
    let mut groups = Vec::new();
    for (_, alike) in by_type {
        let is_expanded = alike.first().is_some_and(|first| expanded.contains(&trace.events[*first].event_id));
        if alike.len() <= MOST_ALIKE {
            groups.extend(alike.into_iter().map(|event| vec![event]));
        } else if is_expanded {
            let (each, rest) = alike.split_at(alike.len().min(MOST_EXPANDED));
            groups.extend(each.iter().map(|event| vec![*event]));
            groups.extend((!rest.is_empty()).then(|| rest.to_vec()));
        } else {
            let (alone, together): (Vec<_>, Vec<_>) = alike.into_iter().partition(|event| Some(*event) == around);
            groups.extend(alone.into_iter().map(|event| vec![event]));
            groups.push(together);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use bloodbank_core::{Settings, correlation::CorrelationTracker, store::CausationLink};
    use chrono::Utc;

    use super::*;

    fn id(number: usize) -> Uuid {
        Uuid::from_u128(number as u128 + 1)
    }

    /// A trace of events with their types and their causes.
    async fn trace(around: usize, events: &[(&str, &[usize])]) -> Trace {
        let tracker = CorrelationTracker::in_memory(&Settings::default());
        for (number, (event_type, parents)) in events.iter().enumerate() {
            // Links that are old have expired.
            let created_at = Utc::now() - TimeDelta::minutes(1) + TimeDelta::milliseconds(number as i64);
            let link = CausationLink {
                child: id(number),
                parents: parents.iter().map(|parent| id(*parent)).collect(),
                event_type: Some((*event_type).into()),
                created_at,
                app: None,
                metadata: None,
            };
            assert!(tracker.record(link).is_none(), "in memory it is done at once");
        }
        Trace::load_at_most(&tracker, id(around), 5000).await.unwrap()
    }

    fn shape(graph: &Graph, trace: &Trace) -> Vec<(String, usize, usize, usize)> {
        let name = |node: &Node| trace.events[node.events[0]].event_type.clone().unwrap();
        graph.nodes.iter().map(|node| (name(node), node.events.len(), node.column, node.half_row)).collect()
    }

    #[tokio::test]
    async fn siblings_of_one_type_are_one_node_with_all_their_effects() {
        let mut events: Vec<(&str, &[usize])> = vec![("order", &[])];
        events.extend([("line", &[0_usize][..]); 5]);
        events.extend([("picked", &[1_usize][..]), ("picked", &[2]), ("paid", &[0])]);
        let trace = trace(0, &events).await;
        let graph = Graph::of(&trace, &HashSet::new());
        let expected =
            [("order", 1, 0, 1), ("line", 5, 1, 1), ("paid", 1, 1, 4), ("picked", 1, 2, 0), ("picked", 1, 2, 2)];
        let expected = expected.map(|(name, events, column, row)| (name.to_owned(), events, column, row));
        let mut found = shape(&graph, &trace);
        assert_eq!((graph.columns, graph.half_rows), (3, 6));
        found.sort_by_key(|(name, ..)| expected.iter().position(|(known, ..)| known == name));
        assert_eq!(
            found.iter().map(|(name, events, ..)| (name, *events)).collect::<Vec<_>>(),
            expected.iter().map(|(name, events, ..)| (name, *events)).collect::<Vec<_>>()
        );

        let expanded = Graph::of(&trace, &HashSet::from([id(1)]));
        assert_eq!(shape(&expanded, &trace).iter().filter(|(name, ..)| name == "line").count(), 5);
    }

    #[tokio::test]
    async fn the_event_that_was_asked_for_is_seen_alone() {
        let mut events: Vec<(&str, &[usize])> = vec![("order", &[])];
        events.extend([("line", &[0_usize][..]); 6]);
        let trace = trace(4, &events).await;
        let graph = Graph::of(&trace, &HashSet::new());
        let sizes: Vec<_> = shape(&graph, &trace).into_iter().map(|(_, events, ..)| events).collect();
        assert_eq!(sizes, [1, 1, 5]);
    }

    #[tokio::test]
    async fn an_event_with_two_causes_has_two_edges_and_one_node() {
        let trace = trace(0, &[("a", &[]), ("b", &[0]), ("c", &[0]), ("d", &[1, 2])]).await;
        let graph = Graph::of(&trace, &HashSet::new());
        assert_eq!(graph.nodes.len(), 4);
        assert_eq!(graph.edges.len(), 4);
        assert_eq!(graph.edges.iter().filter(|edge| edge.is_extra).count(), 1);
        assert!(
            graph
                .edges
                .iter()
                .filter(|edge| !edge.is_extra)
                .all(|edge| edge.gap.is_some_and(|gap| gap > TimeDelta::zero()))
        );
    }

    #[tokio::test]
    async fn a_chain_of_thousands_is_laid_out() {
        let parents: Vec<[usize; 1]> = (0..4999).map(|number| [number]).collect();
        let events: Vec<(&str, &[usize])> =
            [("step", &[][..])].into_iter().chain(parents.iter().map(|one| ("step", &one[..]))).collect();
        let trace = trace(0, &events).await;
        let graph = Graph::of(&trace, &HashSet::new());
        assert_eq!((graph.nodes.len(), graph.columns, graph.half_rows), (5000, 5000, 2));
    }
}
