//! The messages that wait in a queue: those of a higher priority first, and those of one priority in the order in which
//! they came.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    backlog::Backlog,
    entry::{Entry, QueueId},
    lane::Lane,
};

/// The place of a message has the rank of its priority in the bits from here on, so that the order of places is the order
/// of delivery.
pub(super) const RANK_SHIFT: u32 = 48;

/// The messages that wait.
pub(super) struct Ready {
    /// One for each priority, the highest first.
    lanes: Vec<Lane>,
    /// What has the messages that are not in memory; `None`: all are.
    backlog: Option<(QueueId, Arc<dyn Backlog>)>,
    /// The places of messages that are gone, with the record of the log that says so, oldest first, as long as the backlog
    /// may still have them.
    gone: VecDeque<(u64, u64)>,
    /// What comes next could not be read.
    is_stalled: bool,
}

impl Ready {
    /// A queue that knows priorities up to this one.
    pub(super) fn new(highest: u8) -> Self {
        let lanes = (0..=u64::from(highest)).map(|rank| Lane::new(rank << RANK_SHIFT)).collect();
        Self { lanes, backlog: None, gone: VecDeque::new(), is_stalled: false }
    }

    /// Keeps in memory only what comes next; a backlog has the rest.
    pub(super) fn page_from(&mut self, queue: QueueId, backlog: Arc<dyn Backlog>) {
        self.backlog = Some((queue, backlog));
    }

    /// Takes over what the backlog has of a rank.
    #[cfg(feature = "sqlite")]
    pub(super) fn restore(&mut self, rank: usize, count: usize, last: u64) {
        if let Some(lane) = self.lanes.get_mut(rank) {
            lane.restore(count, last);
        }
    }

    /// The place of the next message of a priority; what is above the highest counts as the highest.
    pub(super) fn take_seq(&mut self, priority: u8) -> u64 {
        let highest = self.lanes.len() - 1;
        self.lanes[highest.saturating_sub(priority.into())].take_seq()
    }

    pub(super) fn len(&self) -> usize {
        self.lanes.iter().map(Lane::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|lane| lane.len() == 0)
    }

    /// The number of messages that are in memory.
    #[cfg(all(test, feature = "sqlite"))]
    pub(super) fn in_memory(&self) -> usize {
        self.lanes.iter().map(Lane::in_memory).sum()
    }

    /// Tells whether something waits and could not be read.
    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    /// Puts a message to its place.
    pub(super) fn insert(&mut self, entry: Entry) {
        let backlog = self.backlog.as_ref().map(|(_, backlog)| &**backlog);
        if let Some(lane) = self.lanes.get_mut(rank(entry.seq)) {
            lane.insert(entry, backlog);
        }
    }

    /// The message that comes next.
    pub(super) fn front(&self) -> Option<&Entry> {
        self.lanes.iter().find(|lane| lane.len() > 0)?.head().front()
    }

    /// Takes the message that comes next. `is_in_hand` says of a place whether its message is in somebody's hands.
    pub(super) fn pop_front(&mut self, is_in_hand: impl Fn(u64) -> bool) -> Option<Entry> {
        let lane = self.lanes.iter_mut().find(|lane| lane.len() > 0)?;
        let entry = lane.remove(0);
        // What could not be read is read by `fill`, and those who wait for it are woken.
        if lane.is_cut_off() && !self.is_stalled {
            self.fill(is_in_hand);
        }
        entry
    }

    /// Takes the first message in memory that is `wanted`.
    #[cfg(feature = "sqlite")]
    pub(super) fn take_where(
        &mut self,
        wanted: impl Fn(&Entry) -> bool,
        is_in_hand: impl Fn(u64) -> bool,
    ) -> Option<Entry> {
        let taken = self.lanes.iter_mut().find_map(|lane| {
            let place = lane.head().iter().position(&wanted)?;
            lane.remove(place)
        })?;
        self.fill(is_in_hand);
        Some(taken)
    }

    /// Reads what comes next where it is not in memory: the first message always is, unless it cannot be read.
    pub(super) fn fill(&mut self, is_in_hand: impl Fn(u64) -> bool) {
        let Some((queue, backlog)) = &self.backlog else { return };
        let mut is_filled = true;
        for lane in self.lanes.iter_mut().filter(|lane| lane.is_cut_off()) {
            is_filled &= lane.fill(*queue, &**backlog, &self.gone, &is_in_hand);
        }
        self.is_stalled = !is_filled;
    }

    /// Notes that a message is gone, which a record of the log says.
    pub(super) fn forget(&mut self, seq: u64, logged: u64) {
        let Some((_, backlog)) = &self.backlog else { return };
        let written = backlog.written();
        while self.gone.front().is_some_and(|(logged, _)| *logged <= written) {
            self.gone.pop_front();
        }
        self.gone.push_back((logged, seq));
    }

    /// Notes that the backlog has what came to a place.
    #[cfg(feature = "sqlite")]
    pub(super) fn stored(&mut self, seq: u64) {
        if let Some(lane) = self.lanes.get_mut(rank(seq)) {
            lane.stored(seq);
        }
    }

    /// Forgets what the backlog has by now.
    #[cfg(feature = "sqlite")]
    pub(super) fn trim(&mut self) {
        if let Some((_, backlog)) = &self.backlog {
            self.lanes.iter_mut().for_each(|lane| lane.trim(backlog.written()));
        }
    }
}

fn rank(seq: u64) -> usize {
    usize::try_from(seq >> RANK_SHIFT).unwrap_or(usize::MAX)
}
