//! Which deliveries of a channel are settled, and which acknowledgement says it with the fewest words.

use std::collections::VecDeque;

/// The deliveries of one channel from the oldest that is not settled. Tags count from 1 without gaps.
pub(super) struct Tracker {
    first: u64,
    tags: VecDeque<Tag>,
    unsent: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Open,
    /// Acknowledged by the program; the broker does not know yet.
    Acked,
    /// The broker knows.
    Told,
}

impl Tracker {
    pub(super) fn new() -> Self {
        Self { first: 1, tags: VecDeque::new(), unsent: 0 }
    }

    /// The program is done with a delivery.
    pub(super) fn ack(&mut self, tag: u64) {
        if self.set(tag, Tag::Acked) {
            self.unsent += 1;
        }
    }

    /// The broker is told about a delivery in another way.
    pub(super) fn tell(&mut self, tag: u64) {
        self.set(tag, Tag::Told);
    }

    /// How many acknowledgements the broker does not know.
    pub(super) fn unsent(&self) -> usize {
        self.unsent
    }

    /// The tag that acknowledges all that is complete from the oldest on, if that is anything.
    pub(super) fn prefix(&mut self) -> Option<u64> {
        let mut last = None;
        while let Some(tag) = self.tags.front().filter(|tag| **tag != Tag::Open) {
            // The broker wants a tag that is still open there.
            if *tag == Tag::Acked {
                last = Some(self.first);
                self.unsent -= 1;
            }
            self.tags.pop_front();
            self.first += 1;
        }
        last
    }

    /// The tags behind the oldest open delivery, each to be acknowledged alone.
    pub(super) fn loose(&mut self) -> Vec<u64> {
        let mut tags = Vec::with_capacity(self.unsent);
        for (tag, state) in (self.first..).zip(&mut self.tags) {
            if *state == Tag::Acked {
                *state = Tag::Told;
                tags.push(tag);
            }
        }
        self.unsent = 0;
        tags
    }

    /// Whether every delivery up to this one is settled, as of the last [`Self::prefix`].
    pub(super) fn is_settled(&self, tag: u64) -> bool {
        self.first > tag
    }

    /// Whether the tag was open.
    fn set(&mut self, tag: u64, state: Tag) -> bool {
        let Some(index) = tag.checked_sub(self.first).and_then(|index| usize::try_from(index).ok()) else {
            return false;
        };
        if index >= self.tags.len() {
            self.tags.resize(index + 1, Tag::Open);
        }
        let open = self.tags[index] == Tag::Open;
        if open {
            self.tags[index] = state;
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_complete_is_acknowledged_at_once() {
        let mut tracker = Tracker::new();
        for tag in [2, 3, 1, 5] {
            tracker.ack(tag);
        }
        assert_eq!(tracker.prefix(), Some(3));
        assert_eq!(tracker.prefix(), None);
        assert_eq!(tracker.unsent(), 1);
        assert_eq!(tracker.loose(), [5]);
        tracker.ack(4);
        assert_eq!(tracker.prefix(), Some(4));
        assert!(tracker.is_settled(5));
        assert!(!tracker.is_settled(6));
    }

    #[test]
    fn a_rejected_delivery_is_never_the_tag_of_an_acknowledgement() {
        let mut tracker = Tracker::new();
        tracker.ack(1);
        tracker.tell(2);
        assert_eq!(tracker.prefix(), Some(1));
        assert!(tracker.is_settled(2));
        tracker.tell(3);
        assert_eq!(tracker.prefix(), None);
        tracker.ack(3);
        assert_eq!(tracker.unsent(), 0);
    }

    /// The broker: refuses a tag that is not open.
    fn acknowledge(open: &mut std::collections::BTreeSet<u64>, tag: u64, multiple: bool) {
        assert!(open.contains(&tag), "unknown delivery tag {tag}");
        if multiple {
            *open = open.split_off(&(tag + 1));
        } else {
            open.remove(&tag);
        }
    }

    proptest! {
        #[test]
        fn the_broker_learns_what_was_settled_and_nothing_else(
            order in Just((1_u64..=60).collect::<Vec<_>>()).prop_shuffle(),
            acks in prop::collection::vec(any::<bool>(), 60),
            flushes in prop::collection::vec(0_u8..4, 60),
            settled in 0_usize..=60,
        ) {
            let mut tracker = Tracker::new();
            let mut open: std::collections::BTreeSet<u64> = (1..=60).collect();
            for ((tag, ack), flush) in order[..settled].iter().zip(acks).zip(flushes) {
                if ack {
                    tracker.ack(*tag);
                } else {
                    tracker.tell(*tag);
                    open.remove(tag);
                }
                if flush > 0 && let Some(tag) = tracker.prefix() {
                    acknowledge(&mut open, tag, true);
                }
                if flush > 2 {
                    for tag in tracker.loose() {
                        acknowledge(&mut open, tag, false);
                    }
                }
            }
            if let Some(tag) = tracker.prefix() {
                acknowledge(&mut open, tag, true);
            }
            for tag in tracker.loose() {
                acknowledge(&mut open, tag, false);
            }
            prop_assert_eq!(open, order[settled..].iter().copied().collect());
            prop_assert_eq!(tracker.unsent(), 0);
        }
    }
}
