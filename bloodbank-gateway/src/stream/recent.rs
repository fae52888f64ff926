//! The last events, for a stream whose client was away for a moment.

use std::{collections::VecDeque, sync::Arc};

use uuid::Uuid;

use super::seen::Seen;

/// The last events that the gateway saw, so many and so many bytes of them at most.
#[derive(Debug)]
pub(crate) struct Recent {
    events: VecDeque<Arc<Seen>>,
    bytes: usize,
    most_events: usize,
    most_bytes: usize,
}

impl Recent {
    pub(crate) fn new(most_events: usize, most_bytes: usize) -> Self {
        Self { events: VecDeque::new(), bytes: 0, most_events, most_bytes }
    }

    /// None are wanted.
    pub(super) fn is_off(&self) -> bool {
        self.most_events == 0
    }

    pub(super) fn push(&mut self, seen: &Arc<Seen>) {
        self.bytes += seen.body.len();
        self.events.push_back(Arc::clone(seen));
        while self.events.len() > self.most_events || self.bytes > self.most_bytes {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.body.len();
        }
    }

    pub(super) fn has(&self, id: Uuid) -> bool {
        self.events.iter().any(|seen| seen.event_id == Some(id))
    }

    /// Those after this one, oldest first; `None` where it is not among them.
    pub(super) fn after(&self, id: Uuid) -> Option<impl Iterator<Item = &Arc<Seen>>> {
        let at = self.events.iter().position(|seen| seen.event_id == Some(id))?;
        Some(self.events.range(at + 1..))
    }

    /// Something was missed: what is here does not lead to what follows.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn seen(number: u128, bytes: usize) -> Arc<Seen> {
        let body = Bytes::from(vec![b' '; bytes]);
        Arc::new(Seen { event_id: Some(Uuid::from_u128(number)), key: "a.b".to_owned(), body, is_final: false })
    }

    fn after(recent: &Recent, number: u128) -> Option<Vec<u128>> {
        let after = recent.after(Uuid::from_u128(number))?;
        Some(after.filter_map(|seen| Some(seen.event_id?.as_u128())).collect())
    }

    #[test]
    fn what_is_over_a_bound_is_forgotten_oldest_first() {
        let mut recent = Recent::new(3, 100);
        (1..=4).for_each(|number| recent.push(&seen(number, 10)));
        assert_eq!(after(&recent, 1), None);
        assert_eq!(after(&recent, 2), Some(vec![3, 4]));
        assert_eq!(after(&recent, 4), Some(vec![]));
        recent.push(&seen(5, 85));
        assert_eq!(after(&recent, 3), None);
        assert_eq!(after(&recent, 4), Some(vec![5]));
        recent.push(&seen(6, 101));
        assert_eq!(after(&recent, 6), None, "one that is over the bound alone");
        assert_eq!(recent.bytes, 0);
    }

    #[test]
    fn an_event_that_came_twice_counts_where_it_came_first() {
        let mut recent = Recent::new(9, 100);
        [1, 2, 1, 3].into_iter().for_each(|number| recent.push(&seen(number, 1)));
        assert_eq!(after(&recent, 1), Some(vec![2, 1, 3]));
    }
}
