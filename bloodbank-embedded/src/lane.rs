//! The messages of one priority that wait in a queue: the first ones in memory, the rest in the backlog.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
};

use crate::{
    backlog::{Backlog, Page},
    entry::{Entry, QueueId},
};

/// The most messages in the head, and the most bytes of their bodies where it has more than one.
const HEAD_MESSAGES: usize = 1_000;
const HEAD_BYTES: usize = 1024 * 1024;

/// The messages of one priority, in the order of their places.
pub(super) struct Lane {
    /// The first ones, sorted.
    head: VecDeque<Entry>,
    head_bytes: usize,
    /// Those behind the head; `None`: all are in it.
    rest: Option<Rest>,
    next_seq: u64,
    /// The last place whose message is in the backlog and was put here. A message behind it may be in the backlog already,
    /// but is not here yet.
    stored: u64,
    /// The last place that was taken when the backlog was opened.
    restored: u64,
}

/// The messages behind the head.
struct Rest {
    /// The place behind which they are.
    after: u64,
    count: usize,
    /// Those of which the backlog does not have the latest yet.
    unwritten: BTreeMap<u64, Entry>,
}

impl Rest {
    fn add(&mut self, entry: Entry, written: u64) {
        self.count += 1;
        if entry.logged > written {
            self.unwritten.insert(entry.seq, entry);
        }
    }
}

impl Lane {
    /// A lane whose places begin after this one.
    pub(super) fn new(base: u64) -> Self {
        Self { head: VecDeque::new(), head_bytes: 0, rest: None, next_seq: base + 1, stored: base, restored: base }
    }

    /// Takes over what a backlog has.
    #[cfg(feature = "sqlite")]
    pub(super) fn restore(&mut self, count: usize, last: u64) {
        let after = self.stored;
        self.rest = (count > 0).then(|| Rest { after, count, unwritten: BTreeMap::new() });
        self.stored = self.stored.max(last);
        self.restored = self.stored;
        self.next_seq = self.stored + 1;
    }

    pub(super) fn take_seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    pub(super) fn len(&self) -> usize {
        self.head.len() + self.rest.as_ref().map_or(0, |rest| rest.count)
    }

    pub(super) fn head(&self) -> &VecDeque<Entry> {
        &self.head
    }

    /// The number of messages that are in memory.
    #[cfg(all(test, feature = "sqlite"))]
    pub(super) fn in_memory(&self) -> usize {
        self.head.len() + self.rest.as_ref().map_or(0, |rest| rest.unwritten.len())
    }

    /// Puts a message to its place. With a backlog, what is too much goes there.
    pub(super) fn insert(&mut self, entry: Entry, backlog: Option<&dyn Backlog>) {
        let written = backlog.map_or(0, Backlog::written);
        if entry.logged <= written {
            self.stored = self.stored.max(entry.seq);
        }
        match &mut self.rest {
            Some(rest) if entry.seq > rest.after => rest.add(entry, written),
            _ => {
                self.insert_into_head(entry);
                if backlog.is_some() {
                    self.spill(written);
                }
            }
        }
    }

    fn insert_into_head(&mut self, entry: Entry) {
        self.head_bytes += size(&entry);
        if self.head.back().is_none_or(|last| last.seq < entry.seq) {
            self.head.push_back(entry);
        } else {
            let place = self.head.partition_point(|other| other.seq < entry.seq);
            self.head.insert(place, entry);
        }
    }

    /// Moves the last of the head behind it until the head is small enough.
    fn spill(&mut self, written: u64) {
        while self.head.len() > 1 && (self.head.len() > HEAD_MESSAGES || self.head_bytes > HEAD_BYTES) {
            let (Some(last), Some(before)) = (self.head.pop_back(), self.head.back()) else { return };
            self.head_bytes -= size(&last);
            let after = before.seq;
            let rest = self.rest.get_or_insert_with(|| Rest { after, count: 0, unwritten: BTreeMap::new() });
            rest.after = after;
            rest.add(last, written);
        }
    }

    /// Takes the message at a place of the head.
    pub(super) fn remove(&mut self, place: usize) -> Option<Entry> {
        let entry = self.head.remove(place)?;
        self.head_bytes -= size(&entry);
        Some(entry)
    }

    /// Tells whether what comes next is not in memory.
    pub(super) fn is_cut_off(&self) -> bool {
        self.head.is_empty() && self.rest.is_some()
    }

    /// Reads what comes next where it is not in memory. `false`: it cannot be read now.
    ///
    /// The backlog has also messages that do not wait here: some are in somebody's hands, and of some it does not know yet
    /// that they are gone.
    pub(super) fn fill(
        &mut self,
        queue: QueueId,
        backlog: &dyn Backlog,
        gone: &VecDeque<(u64, u64)>,
        is_in_hand: impl Fn(u64) -> bool,
    ) -> bool {
        while self.head.is_empty()
            && let Some(rest) = &mut self.rest
        {
            let places = rest.after + 1..=self.stored;
            let page = if places.is_empty() {
                Page { entries: Vec::new(), is_last: true }
            } else {
                match backlog.page(queue, places) {
                    Some(page) => page,
                    None => return false,
                }
            };
            let gone: Vec<u64> = gone.iter().map(|(_, seq)| *seq).filter(|seq| *seq > rest.after).collect();
            let end = page.entries.last().filter(|_| !page.is_last).map_or(u64::MAX, |last| last.seq);
            let behind = if end == u64::MAX { BTreeMap::new() } else { rest.unwritten.split_off(&(end + 1)) };
            let mut next = mem::replace(&mut rest.unwritten, behind);
            for mut entry in page.entries {
                if !is_in_hand(entry.seq) && !gone.contains(&entry.seq) {
                    entry.restored = entry.seq <= self.restored;
                    next.entry(entry.seq).or_insert(entry);
                }
            }
            rest.count = rest.count.saturating_sub(next.len());
            rest.after = end;
            if end == u64::MAX {
                self.rest = None;
            }
            self.head_bytes = next.values().map(size).sum();
            self.head = next.into_values().collect();
        }
        true
    }

    /// Notes that the backlog has what came to a place.
    #[cfg(feature = "sqlite")]
    pub(super) fn stored(&mut self, seq: u64) {
        self.stored = self.stored.max(seq);
    }

    /// Forgets what the backlog has by now.
    #[cfg(feature = "sqlite")]
    pub(super) fn trim(&mut self, written: u64) {
        if let Some(rest) = &mut self.rest {
            rest.unwritten.retain(|_, entry| entry.logged > written);
        }
    }
}

fn size(entry: &Entry) -> usize {
    entry.message.body.len()
}
