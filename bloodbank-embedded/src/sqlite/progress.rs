//! How far the journal has come, for those who follow it while the writer goes on.

use tokio::sync::watch;

use crate::entry::MessageId;

/// How far the journal has come.
pub(crate) struct JournalProgress(watch::Sender<Reached>);

/// What is kept, and what is gone.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached {
    /// The newest message that is kept.
    pub(super) newest: MessageId,
    /// The last message that was removed since this process opened the file, or is about to be.
    pub(super) pruned: MessageId,
}

impl JournalProgress {
    pub(crate) fn new(newest: MessageId) -> Self {
        Self(watch::Sender::new(Reached { newest, pruned: 0 }))
    }

    pub(super) fn watch(&self) -> watch::Receiver<Reached> {
        self.0.subscribe()
    }

    /// A message and those before it are committed.
    pub(super) fn kept(&self, newest: MessageId) {
        self.0.send_modify(|reached| reached.newest = reached.newest.max(newest));
    }

    /// A message and those before it are about to be removed.
    pub(super) fn pruned(&self, end: MessageId) {
        self.0.send_modify(|reached| reached.pruned = end);
    }

    /// The bus is closed: whoever waits looks.
    pub(crate) fn closed(&self) {
        self.0.send_modify(|_| {});
    }
}
