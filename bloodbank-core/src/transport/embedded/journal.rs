//! What the embedded bus remembers beyond its process: nothing, or a log of changes in one SQLite file.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::queue::{Entry, QueueId};
use crate::{error::Result, transport::Topology};

/// A change of the broker's state.
pub(super) enum Record {
    /// Exchanges, queues and bindings that must exist.
    Declared(Topology),
    /// A message on its way to its queues, and who waits for the confirm.
    Published(Vec<(QueueId, Entry)>, oneshot::Sender<Result<()>>),
    /// A message was settled.
    Removed(QueueId, u64),
    /// A message came back, for so many times now.
    Returned(QueueId, u64, u32),
    /// A message left a queue for others.
    Moved(QueueId, u64, Vec<(QueueId, Entry)>),
}

/// Where changes go; the default is nowhere.
#[derive(Default, Clone)]
pub(super) struct Journal(Option<Arc<dyn Log>>);

/// Keeps changes, in the order they are appended.
pub(super) trait Log: Send + Sync {
    fn append(&self, record: Record);

    /// Keeps what was appended and stops.
    fn close(&self);
}

impl Journal {
    #[cfg(feature = "sqlite")]
    pub(super) fn to(log: Arc<dyn Log>) -> Self {
        Self(Some(log))
    }

    /// Appends a change; it is made only if somebody keeps it.
    pub(super) fn append(&self, record: impl FnOnce() -> Record) {
        if let Some(log) = &self.0 {
            log.append(record());
        }
    }

    /// Whether a message must be kept before it may be confirmed.
    pub(super) fn is_durable(&self) -> bool {
        self.0.is_some()
    }

    pub(super) fn close(&self) {
        if let Some(log) = &self.0 {
            log.close();
        }
    }
}
