//! The live stream: the last events, a filter, a rate.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use bloodbank_core::routing::BindingPattern;
use uuid::Uuid;

use super::Selection;
use crate::message::SeenEvent;

/// The number of events that are kept.
pub(crate) const MOST: usize = 5_000;
/// The bytes of the envelopes that are kept.
const MOST_BYTES: usize = 32 << 20;
/// The seconds for which the rate is kept.
pub(crate) const RATE_SECONDS: usize = 120;

/// The live stream.
#[derive(Debug, Default)]
pub(crate) struct Live {
    events: VecDeque<Arc<SeenEvent>>,
    bytes: usize,
    /// The events that are no longer, or never were, among those that are kept.
    pub(crate) dropped: u64,
    /// All events since the beginning.
    pub(crate) total: u64,
    /// The events of the current second.
    this_second: u64,
    /// The events of each second, the last one at the end.
    pub(crate) rate: VecDeque<u64>,
    /// The pattern as it is typed.
    pub(crate) pattern: String,
    /// Whether keys go to the pattern.
    pub(crate) is_filtering: bool,
    /// What is wrong with the pattern.
    pub(crate) pattern_fault: Option<String>,
    /// Since when, and until when, the bus is asked, as it is typed.
    pub(crate) since: Option<String>,
    /// What is wrong with that.
    pub(crate) since_fault: Option<String>,
    filter: Option<BindingPattern>,
    /// What is shown while the stream is paused.
    frozen: Option<Vec<Arc<SeenEvent>>>,
    pub(crate) selection: Selection,
}

impl Live {
    /// Adds events, the oldest first.
    pub(crate) fn add(&mut self, count: u64, shown: Vec<Arc<SeenEvent>>) {
        self.total += count;
        self.this_second += count;
        self.dropped += count.saturating_sub(shown.len() as u64);
        for event in shown {
            self.bytes += event.body.len();
            self.events.push_back(event);
        }
        while self.events.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.body.len();
            self.dropped += 1;
        }
    }

    /// Adds events from before, the oldest first, as many as there is room for; says how many were new.
    pub(crate) fn add_past(&mut self, events: Vec<Arc<SeenEvent>>) -> usize {
        let known: HashSet<Option<Uuid>> = self.events.iter().map(|event| event.event_id).collect();
        let mut count = 0;
        for event in events.into_iter().rev().filter(|event| !known.contains(&event.event_id)) {
            if self.events.len() == MOST || self.bytes + event.body.len() > MOST_BYTES {
                break;
            }
            self.bytes += event.body.len();
            self.events.push_front(event);
            count += 1;
        }
        // They need not come from before all others: two times far back may have been asked for first.
        self.events.make_contiguous().sort_by_key(|event| event.time);
        self.pause(false);
        count
    }

    /// Ends a second; says whether the rate looks different now.
    pub(crate) fn tick(&mut self) -> bool {
        let count = std::mem::take(&mut self.this_second);
        self.rate.push_back(count);
        while self.rate.len() > RATE_SECONDS {
            self.rate.pop_front();
        }
        self.rate.iter().any(|count| *count > 0)
    }

    /// The events of the last second.
    pub(crate) fn events_per_second(&self) -> u64 {
        self.rate.back().copied().unwrap_or(0)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.frozen.is_some()
    }

    /// Stops the list, or lets it run again.
    pub(crate) fn pause(&mut self, is_paused: bool) {
        if is_paused && self.frozen.is_none() {
            self.frozen = Some(self.matching());
        } else if !is_paused {
            self.frozen = None;
            self.selection = Selection::default();
        }
    }

    /// Filters by a pattern; an empty one shows everything, and one that is none leaves the filter as it is.
    pub(crate) fn set_pattern(&mut self, pattern: String) {
        let typed = pattern.trim();
        self.pattern_fault = None;
        if typed.is_empty() {
            self.filter = None;
        } else {
            match BindingPattern::parse_wire(typed) {
                Ok(filter) => self.filter = Some(filter),
                Err(fault) => self.pattern_fault = Some(fault.to_string()),
            }
        }
        self.pattern = pattern;
        self.pause(false);
    }

    /// The events that are shown, the newest first.
    pub(crate) fn shown(&self) -> Vec<Arc<SeenEvent>> {
        self.frozen.clone().unwrap_or_else(|| self.matching())
    }

    fn matching(&self) -> Vec<Arc<SeenEvent>> {
        let matches =
            |event: &&Arc<SeenEvent>| self.filter.as_ref().is_none_or(|filter| filter.matches(&event.event_type));
        self.events.iter().rev().filter(matches).cloned().collect()
    }

    pub(crate) fn selected(&self) -> Option<Arc<SeenEvent>> {
        self.shown().into_iter().nth(self.selection.index)
    }

    /// An event that was seen.
    pub(crate) fn find(&self, id: Uuid) -> Option<&Arc<SeenEvent>> {
        self.events.iter().rev().find(|event| event.event_id == Some(id))
    }

    /// Every event that is kept, the oldest first.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Arc<SeenEvent>> {
        self.events.iter()
    }
}
