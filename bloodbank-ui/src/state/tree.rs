//! The events as a tree: domain, entity, action.

use std::collections::BTreeSet;

use bloodbank_core::{EventKind, Registry, registry::EventDescriptor};

use super::Selection;
use crate::text::score;

/// A row of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TreeRow {
    pub(crate) depth: usize,
    pub(crate) label: String,
    /// The words of the key up to here.
    pub(crate) path: String,
    /// The kind of an event; `None`: a folder.
    pub(crate) kind: Option<EventKind>,
    pub(crate) is_open: bool,
    /// The number of events below.
    pub(crate) count: usize,
}

/// The events as a tree.
#[derive(Debug)]
pub(crate) struct Tree {
    events: Vec<&'static EventDescriptor>,
    closed: BTreeSet<String>,
    /// What is searched for.
    pub(crate) search: String,
    /// Whether keys go to the search.
    pub(crate) is_searching: bool,
    pub(crate) rows: Vec<TreeRow>,
    pub(crate) selection: Selection,
}

impl Tree {
    pub(crate) fn of(registry: &'static Registry) -> Self {
        let mut events: Vec<_> = registry.events().to_vec();
        events.sort_by_key(|event| event.routing_key());
        let mut tree = Self {
            events,
            closed: BTreeSet::new(),
            search: String::new(),
            is_searching: false,
            rows: Vec::new(),
            selection: Selection::default(),
        };
        tree.rebuild();
        tree.selection.index = tree.rows.iter().position(|row| row.kind.is_some()).unwrap_or(0);
        tree
    }

    pub(crate) fn count(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn selected(&self) -> Option<&TreeRow> {
        self.rows.get(self.selection.index)
    }

    pub(crate) fn selected_event(&self) -> Option<&'static EventDescriptor> {
        let row = self.selected().filter(|row| row.kind.is_some())?;
        self.events.iter().find(|event| event.routing_key() == row.path).copied()
    }

    /// Selects an event; a search that hides it ends.
    pub(crate) fn select(&mut self, key: &str) {
        if self.place_of(key).is_none() {
            self.search.clear();
            self.closed.retain(|closed| !key.starts_with(&format!("{closed}.")));
            self.rebuild();
        }
        if let Some(place) = self.place_of(key) {
            self.selection.index = place;
        }
    }

    fn place_of(&self, key: &str) -> Option<usize> {
        self.rows.iter().position(|row| row.kind.is_some() && row.path == key)
    }

    /// Shows what fits, and selects what fits best.
    pub(crate) fn search(&mut self, text: String) {
        self.search = text;
        self.rebuild();
        let best = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.kind.is_some())
            .max_by_key(|(place, row)| (score(&self.search, &row.path), std::cmp::Reverse(*place)));
        self.selection.index = best.map_or(0, |(place, _)| place);
    }

    /// Opens or closes the selected folder; of an event, the one around it is closed.
    pub(crate) fn set_open(&mut self, is_open: bool) {
        let Some(row) = self.selected().cloned() else { return };
        if row.kind.is_none() && row.is_open != is_open {
            if is_open {
                self.closed.remove(&row.path)
            } else {
                self.closed.insert(row.path)
            };
            self.rebuild();
        } else if !is_open {
            let above = self.rows[..self.selection.index].iter().rposition(|other| other.depth < row.depth);
            self.selection.index = above.unwrap_or(self.selection.index);
        } else if row.kind.is_none() {
            self.selection.move_by(1, self.rows.len());
        }
    }

    pub(crate) fn toggle(&mut self) {
        if let Some(row) = self.selected().filter(|row| row.kind.is_none()) {
            let is_open = row.is_open;
            self.set_open(!is_open);
        }
    }

    fn rebuild(&mut self) {
        let is_searched = !self.search.is_empty();
        let shown: Vec<_> =
            self.events.iter().filter(|event| score(&self.search, event.routing_key()).is_some()).collect();
        let mut rows: Vec<TreeRow> = Vec::new();
        for event in &shown {
            let key = event.routing_key();
            let words: Vec<&str> = key.split('.').collect();
            let (action, above) = words.split_last().unwrap_or((&"", &[]));
            // The domain is the first word; whatever lies between it and the action is the entity.
            let folders: Vec<String> = match above {
                [] => Vec::new(),
                [domain] => vec![(*domain).to_owned()],
                [domain, ..] => vec![(*domain).to_owned(), above.join(".")],
            };
            let mut is_hidden = false;
            for (depth, path) in folders.iter().enumerate() {
                if !is_hidden && !rows.iter().any(|row| row.kind.is_none() && row.path == *path) {
                    let below = shown.iter().filter(|other| other.routing_key().starts_with(&format!("{path}.")));
                    let label = path.split_once('.').map_or(path.as_str(), |(_, entity)| entity);
                    rows.push(TreeRow {
                        depth,
                        label: label.to_owned(),
                        path: path.clone(),
                        kind: None,
                        is_open: is_searched || !self.closed.contains(path),
                        count: below.count(),
                    });
                }
                is_hidden |= !is_searched && self.closed.contains(path);
            }
            if !is_hidden {
                rows.push(TreeRow {
                    depth: folders.len(),
                    label: (*action).to_owned(),
                    path: key.to_owned(),
                    kind: Some(event.kind()),
                    is_open: false,
                    count: 0,
                });
            }
        }
        self.rows = rows;
        self.selection.index = self.selection.index.min(self.rows.len().saturating_sub(1));
    }
}
