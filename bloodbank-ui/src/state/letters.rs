//! Dead letters, in groups that failed for the same reason.

use std::collections::HashSet;

use bloodbank_client::{DeadLetterEntry, Fingerprint};
use chrono::{DateTime, Utc};

use super::Selection;
use crate::message::LetterId;

/// Dead letters that failed for the same reason.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LetterGroup {
    /// The queue of the subscriber that gave them up.
    pub(crate) queue: String,
    pub(crate) event_type: String,
    pub(crate) reason: String,
    /// The error of the last one.
    pub(crate) error: String,
    pub(crate) last_failed: Option<DateTime<Utc>>,
    pub(crate) letters: Vec<DeadLetterEntry>,
    fingerprint: Fingerprint,
}

/// A row: a group, or a dead letter of an open group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LetterRow {
    Group(usize),
    Letter(usize, usize),
}

/// The dead letters of all queues.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    pub(crate) groups: Vec<LetterGroup>,
    opened: HashSet<Fingerprint>,
    pub(crate) rows: Vec<LetterRow>,
    pub(crate) selection: Selection,
    /// Whether they are being fetched.
    pub(crate) is_loading: bool,
    /// Why they are not known.
    pub(crate) fault: Option<String>,
}

impl Letters {
    pub(crate) fn count(&self) -> usize {
        self.groups.iter().map(|group| group.letters.len()).sum()
    }

    pub(crate) fn show(&mut self, result: Result<Vec<DeadLetterEntry>, String>) {
        self.is_loading = false;
        match result {
            Ok(letters) => {
                self.groups = groups(letters);
                self.fault = None;
            }
            Err(fault) => self.fault = Some(fault),
        }
        self.rebuild();
    }

    pub(crate) fn selected(&self) -> Option<LetterRow> {
        self.rows.get(self.selection.index).copied()
    }

    /// The dead letters of the selected row; of a group all of them.
    pub(crate) fn selected_letters(&self) -> &[DeadLetterEntry] {
        match self.selected() {
            Some(LetterRow::Group(group)) => &self.groups[group].letters,
            Some(LetterRow::Letter(group, letter)) => &self.groups[group].letters[letter..=letter],
            None => &[],
        }
    }

    /// What names the selected dead letters.
    pub(crate) fn selected_ids(&self) -> Vec<LetterId> {
        self.selected_letters().iter().map(LetterId::of).collect()
    }

    /// Opens or closes the selected group; of a dead letter, the group around it.
    pub(crate) fn set_open(&mut self, is_open: bool) {
        let Some(LetterRow::Group(group) | LetterRow::Letter(group, _)) = self.selected() else { return };
        let fingerprint = self.groups[group].fingerprint;
        if is_open {
            self.opened.insert(fingerprint)
        } else {
            self.opened.remove(&fingerprint)
        };
        self.rebuild();
        if !is_open {
            let place = self.rows.iter().position(|row| *row == LetterRow::Group(group));
            self.selection.index = place.unwrap_or(0);
        }
    }

    pub(crate) fn is_open(&self, group: &LetterGroup) -> bool {
        self.opened.contains(&group.fingerprint)
    }

    fn rebuild(&mut self) {
        let mut rows = Vec::new();
        for (place, group) in self.groups.iter().enumerate() {
            rows.push(LetterRow::Group(place));
            if self.is_open(group) {
                rows.extend((0..group.letters.len()).map(|letter| LetterRow::Letter(place, letter)));
            }
        }
        self.rows = rows;
        self.selection.index = self.selection.index.min(self.rows.len().saturating_sub(1));
    }
}

/// The groups of dead letters, the largest first.
fn groups(letters: Vec<DeadLetterEntry>) -> Vec<LetterGroup> {
    let mut groups: Vec<LetterGroup> = Vec::new();
    for letter in letters {
        let fingerprint = Fingerprint::of_entry(&letter);
        let place = groups.iter().position(|group| group.fingerprint == fingerprint);
        let group = match place.and_then(|place| groups.get_mut(place)) {
            Some(group) => group,
            None => {
                groups.push(LetterGroup {
                    queue: letter.queue.clone(),
                    event_type: letter.event_type.clone(),
                    reason: letter.reason.clone(),
                    error: String::new(),
                    last_failed: None,
                    letters: Vec::new(),
                    fingerprint,
                });
                let last = groups.len() - 1;
                &mut groups[last]
            }
        };
        group.error = letter.error.clone().unwrap_or_default();
        group.last_failed = group.last_failed.max(letter.last_failed);
        group.letters.push(letter);
    }
    groups.sort_by(|one, other| {
        other.letters.len().cmp(&one.letters.len()).then(one.fingerprint.cmp(&other.fingerprint))
    });
    groups
}
