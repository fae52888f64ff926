//! The buffer of the last events, for a stream whose client was away for a moment.

use std::{collections::VecDeque, sync::Arc};

use uuid::Uuid;

use super::event::StreamEvent;

/// A buffer of the last events, limited in their number and their bytes.
#[derive(Debug)]
pub(crate) struct ReplayBuffer {
    events: VecDeque<Arc<StreamEvent>>,
    bytes: usize,
    most_events: usize,
    most_bytes: usize,
}

impl ReplayBuffer {
    pub(crate) fn new(most_events: usize, most_bytes: usize) -> Self {
        Self { events: VecDeque::new(), bytes: 0, most_events, most_bytes }
    }

    /// Whether the buffer keeps nothing.
    pub(super) fn is_disabled(&self) -> bool {
        self.most_events == 0
    }

    pub(super) fn push(&mut self, event: &Arc<StreamEvent>) {
        self.bytes += event.body.len();
        self.events.push_back(Arc::clone(event));
        while self.events.len() > self.most_events || self.bytes > self.most_bytes {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.body.len();
        }
    }

    /// All events that are kept, oldest first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<StreamEvent>> {
        self.events.iter()
    }

    pub(super) fn has(&self, id: Uuid) -> bool {
        self.events.iter().any(|event| event.event_id == Some(id))
    }

    /// The events after this one, oldest first; `None` where this one is not in the buffer.
    pub(super) fn after(&self, id: Uuid) -> Option<impl Iterator<Item = &Arc<StreamEvent>>> {
        let at = self.events.iter().position(|event| event.event_id == Some(id))?;
        Some(self.events.range(at + 1..))
    }

    /// Forgets everything, after which the buffer has no gap where events were missed.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn event(number: u128, bytes: usize) -> Arc<StreamEvent> {
        let body = Bytes::from(vec![b' '; bytes]);
        Arc::new(StreamEvent { event_id: Some(Uuid::from_u128(number)), key: "a.b".to_owned(), body, is_final: false })
    }

    fn after(buffer: &ReplayBuffer, number: u128) -> Option<Vec<u128>> {
        let after = buffer.after(Uuid::from_u128(number))?;
        Some(after.filter_map(|event| Some(event.event_id?.as_u128())).collect())
    }

    #[test]
    fn what_is_over_a_bound_is_forgotten_oldest_first() {
        let mut buffer = ReplayBuffer::new(3, 100);
        (1..=4).for_each(|number| buffer.push(&event(number, 10)));
        assert_eq!(after(&buffer, 1), None);
        assert_eq!(after(&buffer, 2), Some(vec![3, 4]));
        assert_eq!(after(&buffer, 4), Some(vec![]));
        buffer.push(&event(5, 85));
        assert_eq!(after(&buffer, 3), None);
        assert_eq!(after(&buffer, 4), Some(vec![5]));
        buffer.push(&event(6, 101));
        assert_eq!(after(&buffer, 6), None, "one that is over the bound alone");
        assert_eq!(buffer.bytes, 0);
    }

    #[test]
    fn an_event_that_came_twice_counts_where_it_came_first() {
        let mut buffer = ReplayBuffer::new(9, 100);
        [1, 2, 1, 3].into_iter().for_each(|number| buffer.push(&event(number, 1)));
        assert_eq!(after(&buffer, 1), Some(vec![2, 1, 3]));
    }
}
