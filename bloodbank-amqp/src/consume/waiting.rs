//! The queues that cannot be consumed for now.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use bloodbank_core::Error;

/// Those queues, each with the number of consumers that wait for it and the latest error; part of the health.
#[derive(Default)]
pub(super) struct WaitingQueues(Mutex<BTreeMap<Arc<str>, Waiting>>);

#[derive(Default)]
struct Waiting {
    consumers: usize,
    /// `None`: nothing is wrong with the queue yet, a connection is being made.
    error: Option<String>,
}

impl WaitingQueues {
    /// Notes a consumer that waits until the value is dropped.
    pub(super) fn note(&self, queue: &Arc<str>) -> WaitingConsumer<'_> {
        self.0.lock().entry(Arc::clone(queue)).or_default().consumers += 1;
        WaitingConsumer { all: self, queue: Arc::clone(queue) }
    }

    /// What is wrong, a sentence for each queue.
    pub(super) fn troubles(&self) -> Vec<String> {
        self.0.lock().values().filter_map(|waiting| waiting.error.clone()).collect()
    }
}

/// A consumer that waits for its queue.
pub(super) struct WaitingConsumer<'a> {
    all: &'a WaitingQueues,
    queue: Arc<str>,
}

impl WaitingConsumer<'_> {
    pub(super) fn because(&self, error: &Error) {
        if let Some(waiting) = self.all.0.lock().get_mut(&self.queue) {
            waiting.error = Some(error.to_string());
        }
    }
}

impl Drop for WaitingConsumer<'_> {
    fn drop(&mut self) {
        let mut all = self.all.0.lock();
        if let Some(waiting) = all.get_mut(&self.queue) {
            waiting.consumers -= 1;
            if waiting.consumers == 0 {
                all.remove(&self.queue);
            }
        }
    }
}
