//! Subscribers that hold an event which they can neither handle nor put aside.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use crate::error::Error;

/// The queues of such subscribers, with the number of events and the latest error; part of the health.
#[derive(Default)]
pub(crate) struct StuckSubscribers(Mutex<BTreeMap<Arc<str>, (usize, String)>>);

impl StuckSubscribers {
    /// Notes an event that is stuck until the value is dropped.
    pub(crate) fn note(&self, queue: &Arc<str>) -> StuckEvent<'_> {
        self.0.lock().entry(Arc::clone(queue)).or_default().0 += 1;
        StuckEvent { all: self, queue: Arc::clone(queue) }
    }

    /// What is wrong, a sentence for each queue.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let say = |(queue, (events, error)): (&Arc<str>, &(usize, String))| {
            format!(
                "the subscriber of `{queue}` keeps what it can neither handle nor put aside (events: {events}): {error}"
            )
        };
        self.0.lock().iter().map(say).collect()
    }
}

/// An event that is stuck.
pub(crate) struct StuckEvent<'a> {
    all: &'a StuckSubscribers,
    queue: Arc<str>,
}

impl StuckEvent<'_> {
    pub(crate) fn because(&self, error: &Error) {
        if let Some((_, latest)) = self.all.0.lock().get_mut(&self.queue) {
            *latest = error.to_string();
        }
    }
}

impl Drop for StuckEvent<'_> {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        if let Some((events, _)) = all.get_mut(&self.queue) {
            *events -= 1;
            if *events == 0 {
                all.remove(&self.queue);
            }
        }
    }
}
