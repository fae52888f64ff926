//! The state of queues, for operators.

use crate::{engine::State, queue::Queue};
use bloodbank_core::{Result, transport::QueueStatus};

impl State {
    /// The state of a queue; `None`: there is no such queue.
    pub(super) fn status(&self, name: &str) -> Result<Option<QueueStatus>> {
        self.check_open()?;
        let queue = self.names.get(name).and_then(|id| self.queues.get(*id)?.as_ref());
        Ok(queue.map(status))
    }

    /// The state of every queue, sorted by name.
    pub(super) fn statuses(&self) -> Result<Vec<QueueStatus>> {
        self.check_open()?;
        let mut statuses: Vec<_> = self.queues.iter().flatten().map(status).collect();
        statuses.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(statuses)
    }
}

fn status(queue: &Queue) -> QueueStatus {
    let (waiting, unsettled) = queue.depth();
    let oldest = queue.first().and_then(|entry| entry.message.properties.timestamp);
    QueueStatus::new(&*queue.spec.name, waiting as u64, queue.consumer_count() as u64)
        .unsettled(unsettled as u64)
        .oldest(oldest)
}
