//! Where the messages of a queue wait that are not in memory.

use std::ops::RangeInclusive;

use crate::entry::{Entry, QueueId};

/// What has the messages of the queues beside the memory: a file. It follows the log of changes at some distance.
pub(super) trait Backlog: Send + Sync {
    /// Reads the first messages of a queue whose places are in a range, in their order. `None`: they cannot be read now,
    /// which was logged.
    fn page(&self, queue: QueueId, places: RangeInclusive<u64>) -> Option<Page>;

    /// The number of records of the log that are kept.
    fn written(&self) -> u64;

    /// Lets go of the file; nothing can be read any more.
    fn close(&self);
}

/// A few messages of a queue.
pub(super) struct Page {
    pub(super) entries: Vec<Entry>,
    /// There are no more in the range.
    pub(super) is_last: bool,
}
