//! The trace of an event: what led to it, and what it led to, as a tree that can be folded.

use std::collections::{HashMap, HashSet};

use bloodbank_client::{CausationEvent, CausationTrace};
use uuid::Uuid;

use super::{Live, Selection};

/// A row of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceRow {
    pub(crate) depth: usize,
    pub(crate) event: CausationEvent,
    /// The number of events below it; 0: nothing can be folded.
    pub(crate) below: usize,
    pub(crate) is_open: bool,
    /// Whether the event is shown elsewhere too, with what follows from it.
    pub(crate) is_repeated: bool,
    /// The number of events of this type beside it that this row stands for as well.
    pub(crate) alike: usize,
}

/// So many effects of one type, without effects of their own, become one row.
const ALIKE: usize = 4;
/// The depth to which a tree is drawn.
const DEEPEST: usize = 64;

/// The trace of an event.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    pub(crate) around: Option<Uuid>,
    trace: Option<CausationTrace>,
    /// Whether it was put together from events that were seen, because nobody keeps causes and effects.
    pub(crate) is_from_seen: bool,
    /// Why there is none.
    pub(crate) fault: Option<String>,
    closed: HashSet<Uuid>,
    pub(crate) rows: Vec<TraceRow>,
    pub(crate) selection: Selection,
}

impl Trace {
    /// Begins to load the trace of another event.
    pub(crate) fn load(&mut self, id: Uuid) {
        if self.around != Some(id) {
            *self = Self { around: Some(id), ..Self::default() };
        }
    }

    /// Shows what was loaded; where nothing is known, what was seen.
    pub(crate) fn show(&mut self, id: Uuid, result: Result<CausationTrace, String>, live: &Live) {
        if self.around != Some(id) {
            // Somebody has moved on.
            return;
        }
        let selected = self.selected().map(|row| row.event.event_id);
        let (trace, fault) = match result {
            Ok(trace) if trace.is_known() => (Some(trace), None),
            Ok(_) => (None, Some("nothing is known about this event".to_owned())),
            Err(fault) => (None, Some(fault)),
        };
        // A process that keeps links in its own memory knows nothing but its own events.
        let known = trace.as_ref().map_or(0, |trace| trace.events.len());
        let seen = seen(id, live).filter(|seen| seen.events.len() > known);
        self.is_from_seen = seen.is_some();
        self.trace = seen.or(trace);
        self.fault = if self.trace.is_some() { None } else { fault };
        self.rebuild();
        let place = selected.unwrap_or(id);
        self.selection.index = self.rows.iter().position(|row| row.event.event_id == place).unwrap_or(0);
    }

    pub(crate) fn is_truncated(&self) -> bool {
        self.trace.as_ref().is_some_and(|trace| trace.truncated || trace.may_be_incomplete)
    }

    pub(crate) fn selected(&self) -> Option<&TraceRow> {
        self.rows.get(self.selection.index)
    }

    /// Folds what follows from the selected event, or shows it again.
    pub(crate) fn set_open(&mut self, is_open: bool) {
        let Some(row) = self.selected().cloned() else { return };
        if row.below > 0 && row.is_open != is_open {
            if is_open {
                self.closed.remove(&row.event.event_id)
            } else {
                self.closed.insert(row.event.event_id)
            };
            self.rebuild();
        } else if !is_open {
            let above = self.rows[..self.selection.index].iter().rposition(|other| other.depth < row.depth);
            self.selection.index = above.unwrap_or(self.selection.index);
        }
    }

    fn rebuild(&mut self) {
        let Some(trace) = &self.trace else {
            self.rows.clear();
            return;
        };
        let events: HashMap<Uuid, &CausationEvent> = trace.events.iter().map(|event| (event.event_id, event)).collect();
        let mut tree = Rows { events, closed: &self.closed, seen: HashSet::new(), rows: Vec::new() };
        let (roots, others): (Vec<_>, Vec<_>) = trace.events.iter().partition(|event| event.parents.is_empty());
        for root in roots.into_iter().chain(others) {
            if !tree.seen.contains(&root.event_id) {
                tree.add(root, 0, 0);
            }
        }
        self.rows = tree.rows;
        self.selection.index = self.selection.index.min(self.rows.len().saturating_sub(1));
    }
}

/// The rows of a tree while it is walked.
struct Rows<'a> {
    events: HashMap<Uuid, &'a CausationEvent>,
    closed: &'a HashSet<Uuid>,
    seen: HashSet<Uuid>,
    rows: Vec<TraceRow>,
}

impl Rows<'_> {
    fn add(&mut self, event: &CausationEvent, depth: usize, alike: usize) {
        let is_repeated = !self.seen.insert(event.event_id);
        let children: Vec<&CausationEvent> =
            event.children.iter().filter_map(|child| self.events.get(child).copied()).collect();
        let below = if is_repeated || depth >= DEEPEST { 0 } else { children.len() };
        let is_open = !self.closed.contains(&event.event_id);
        self.rows.push(TraceRow { depth, event: event.clone(), below, is_open, is_repeated, alike });
        if below == 0 {
            return;
        }
        let mut counted: HashMap<&Option<String>, usize> = HashMap::new();
        for child in children.iter().filter(|child| child.children.is_empty()) {
            *counted.entry(&child.event_type).or_default() += 1;
        }
        let mut grouped = HashSet::new();
        for child in children {
            let count = counted.get(&child.event_type).copied().unwrap_or(0);
            let is_alike = child.children.is_empty() && count >= ALIKE;
            if !is_open || (is_alike && grouped.contains(&child.event_type)) {
                // It is in a row above, or below a folded one.
                self.hide(child, 0);
            } else if is_alike {
                grouped.insert(&child.event_type);
                self.add(child, depth + 1, count - 1);
            } else {
                self.add(child, depth + 1, 0);
            }
        }
    }

    /// Marks what is folded away as drawn.
    fn hide(&mut self, event: &CausationEvent, depth: usize) {
        if depth < DEEPEST && self.seen.insert(event.event_id) {
            for child in event.children.iter().filter_map(|child| self.events.get(child).copied()).collect::<Vec<_>>() {
                self.hide(child, depth + 1);
            }
        }
    }
}

/// What is around an event, among the events that were seen.
fn seen(id: Uuid, live: &Live) -> Option<CausationTrace> {
    let mut around = HashSet::from([id]);
    live.find(id)?;
    // Causes come before their effects: backwards for the causes, then forwards for the effects.
    let kept: Vec<_> = live.kept().filter_map(|event| Some((event.event_id?, event))).collect();
    for (event_id, event) in kept.iter().rev() {
        if around.contains(event_id) {
            around.extend(event.causes.iter().copied());
        }
    }
    for (event_id, event) in &kept {
        if event.causes.iter().any(|cause| around.contains(cause)) {
            around.insert(*event_id);
        }
    }
    let mut events: Vec<CausationEvent> = Vec::new();
    for (event_id, event) in kept {
        if !around.contains(&event_id) || events.iter().any(|known| known.event_id == event_id) {
            continue;
        }
        let parents: Vec<Uuid> =
            event.causes.iter().copied().filter(|cause| events.iter().any(|known| known.event_id == *cause)).collect();
        for known in events.iter_mut().filter(|known| parents.contains(&known.event_id)) {
            known.children.push(event_id);
        }
        events.push(CausationEvent {
            event_id,
            event_type: Some(event.event_type.clone()),
            app: Some(event.app.clone()),
            time: event.time,
            parents,
            children: Vec::new(),
        });
    }
    Some(CausationTrace { around: id, events, truncated: false, may_be_incomplete: true })
}
