//! Tracking of the deliveries of a channel: which are settled, and the fewest acknowledgements that say so.

use std::collections::VecDeque;

/// The deliveries of one channel from the oldest that is not settled. Delivery tags count from 1 without gaps.
pub(super) struct DeliveryTracker {
    first: u64,
    tags: VecDeque<State>,
    unsent: usize,
    sent: u64,
}

/// The state of a delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Acknowledged by the program, but not to the broker.
    Acked,
    /// Settled with the broker.
    Sent,
    /// Given back by the program; the broker has it back when the channel is closed.
    Left,
}

impl DeliveryTracker {
    pub(super) fn new() -> Self {
        Self { first: 1, tags: VecDeque::new(), unsent: 0, sent: 0 }
    }

    /// Records that the program acknowledged a delivery.
    pub(super) fn ack(&mut self, tag: u64) {
        if self.set(tag, State::Acked) {
            self.unsent += 1;
        }
    }

    /// Records that a delivery is settled with the broker in another way.
    pub(super) fn mark_sent(&mut self, tag: u64) {
        if self.set(tag, State::Sent) {
            self.sent += 1;
        }
    }

    /// Records that a delivery is given back with the channel, and never acknowledged.
    pub(super) fn leave(&mut self, tag: u64) {
        self.set(tag, State::Left);
    }

    /// The number of deliveries that are settled with the broker, or are just about to be.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// The number of acknowledgements that are not sent to the broker.
    pub(super) fn unsent(&self) -> usize {
        self.unsent
    }

    /// The tag for a cumulative acknowledgement of every settled delivery before the oldest open one; `None` when there is none.
    pub(super) fn take_cumulative(&mut self) -> Option<u64> {
        let mut last = None;
        while let Some(tag) = self.tags.front().filter(|tag| matches!(tag, State::Acked | State::Sent)) {
            // The broker accepts only a tag that it counts as unacknowledged.
            if *tag == State::Acked {
                last = Some(self.first);
                self.unsent -= 1;
                self.sent += 1;
            }
            self.tags.pop_front();
            self.first += 1;
        }
        last
    }

    /// The tags of acknowledged deliveries behind the oldest open one, each to be acknowledged individually.
    pub(super) fn take_individual(&mut self) -> Vec<u64> {
        let mut tags = Vec::with_capacity(self.unsent);
        for (tag, state) in (self.first..).zip(&mut self.tags) {
            if *state == State::Acked {
                *state = State::Sent;
                self.sent += 1;
                tags.push(tag);
            }
        }
        self.unsent = 0;
        tags
    }

    /// Whether every delivery up to this one is settled or given back, as of the last [`Self::take_cumulative`].
    pub(super) fn is_settled(&self, tag: u64) -> bool {
        let Some(left) = (tag + 1).checked_sub(self.first).and_then(|left| usize::try_from(left).ok()) else {
            return true;
        };
        left <= self.tags.len() && self.tags.iter().take(left).all(|tag| matches!(tag, State::Sent | State::Left))
    }

    /// Changes the state of an open delivery; `false` when it was settled already.
    fn set(&mut self, tag: u64, state: State) -> bool {
        let Some(index) = tag.checked_sub(self.first).and_then(|index| usize::try_from(index).ok()) else {
            return false;
        };
        if index >= self.tags.len() {
            self.tags.resize(index + 1, State::Open);
        }
        let open = self.tags[index] == State::Open;
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
    fn settled_deliveries_are_acknowledged_cumulatively() {
        let mut tracker = DeliveryTracker::new();
        for tag in [2, 3, 1, 5] {
            tracker.ack(tag);
        }
        assert_eq!(tracker.take_cumulative(), Some(3));
        assert_eq!(tracker.take_cumulative(), None);
        assert_eq!(tracker.unsent(), 1);
        assert_eq!(tracker.take_individual(), [5]);
        assert_eq!(tracker.sent(), 4);
        tracker.ack(4);
        assert_eq!(tracker.take_cumulative(), Some(4));
        assert!(tracker.is_settled(5));
        assert!(!tracker.is_settled(6));
    }

    #[test]
    fn what_is_given_back_is_not_acknowledged_with_what_follows() {
        let mut tracker = DeliveryTracker::new();
        tracker.ack(1);
        tracker.leave(2);
        tracker.ack(3);
        assert_eq!(tracker.take_cumulative(), Some(1));
        assert!(!tracker.is_settled(3));
        assert_eq!(tracker.take_individual(), [3]);
        assert!(tracker.is_settled(3) && !tracker.is_settled(4));
        assert_eq!(tracker.take_cumulative(), None);
    }

    #[test]
    fn a_rejected_delivery_is_never_the_tag_of_an_acknowledgement() {
        let mut tracker = DeliveryTracker::new();
        tracker.ack(1);
        tracker.mark_sent(2);
        assert_eq!(tracker.take_cumulative(), Some(1));
        assert!(tracker.is_settled(2));
        tracker.mark_sent(3);
        assert_eq!(tracker.take_cumulative(), None);
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
            let mut tracker = DeliveryTracker::new();
            let mut open: std::collections::BTreeSet<u64> = (1..=60).collect();
            for ((tag, ack), flush) in order[..settled].iter().zip(acks).zip(flushes) {
                if ack {
                    tracker.ack(*tag);
                } else {
                    tracker.mark_sent(*tag);
                    open.remove(tag);
                }
                if flush > 0 && let Some(tag) = tracker.take_cumulative() {
                    acknowledge(&mut open, tag, true);
                }
                if flush > 2 {
                    for tag in tracker.take_individual() {
                        acknowledge(&mut open, tag, false);
                    }
                }
            }
            if let Some(tag) = tracker.take_cumulative() {
                acknowledge(&mut open, tag, true);
            }
            for tag in tracker.take_individual() {
                acknowledge(&mut open, tag, false);
            }
            prop_assert_eq!(open, order[settled..].iter().copied().collect());
            prop_assert_eq!(tracker.unsent(), 0);
            prop_assert_eq!(tracker.sent(), settled as u64);
        }
    }
}
