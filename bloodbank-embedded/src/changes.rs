//! What the embedded bus remembers beyond its process: nothing, or a log of changes in one SQLite file.

use std::sync::{Arc, mpsc};

use tokio::sync::oneshot;

use crate::queue::{Entry, MessageId, QueueId};
use bloodbank_core::{
    Result,
    message::Incoming,
    transport::topology::{Exchange, Queue},
};

/// A change of the broker's state.
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only a file reads it"))]
pub(super) enum Record {
    /// Exchanges, queues and bindings that are new.
    Declared(DeclaredTopology),
    /// A message that is confirmed, and put into its queues, once it is kept.
    Published(Publication),
    /// A message is in somebody's hands; who waits for that to be kept.
    Taken(QueueId, u64, Option<oneshot::Sender<()>>),
    /// A message came back, for so many times now.
    Returned(QueueId, u64, u32),
    /// A message was settled.
    Removed(QueueId, u64, MessageId),
    /// A message left a queue for others, changed on the way.
    Moved(QueueId, u64, MessageId, Vec<(QueueId, Entry)>),
    /// Who handles which event, or has.
    #[cfg(feature = "sqlite")]
    Leased(LeaseChange),
    /// Which event caused which.
    #[cfg(feature = "sqlite")]
    Linked(LinkChange),
    /// Somebody wants to look into the tables, after everything that was appended before.
    #[cfg(feature = "sqlite")]
    Queried(Query),
    /// Nothing follows; answered when the file is free.
    Closed(Option<oneshot::Sender<()>>),
    /// What a test does to the connection.
    #[cfg(all(test, feature = "sqlite"))]
    WithConnection(Query),
}

/// A message on its way to its queues, and who waits for the confirm.
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only a file reads it"))]
pub(super) struct Publication {
    pub(super) id: MessageId,
    pub(super) message: Arc<Incoming>,
    pub(super) entries: Vec<(QueueId, Entry)>,
    pub(super) confirm: oneshot::Sender<Result<()>>,
}

/// Runs between two transactions.
#[cfg(feature = "sqlite")]
pub(super) type Query = Box<dyn FnOnce(&rusqlite::Connection) + Send>;

/// A change of who handles which event; what comes of it is known when it is written, and told when it is kept.
#[cfg(feature = "sqlite")]
pub(super) struct LeaseChange {
    pub(super) operation: LeaseOperation,
    pub(super) key: bloodbank_core::store::LeaseKey,
    pub(super) token: uuid::Uuid,
    pub(super) lasting: std::time::Duration,
    pub(super) outcome: std::cell::Cell<bloodbank_core::store::Acquired>,
    pub(super) answer: oneshot::Sender<Result<bloodbank_core::store::Acquired>>,
}

#[cfg(feature = "sqlite")]
#[derive(Clone, Copy)]
pub(super) enum LeaseOperation {
    Acquire,
    Renew,
    Finish,
    Release,
}

/// A link to keep for a while; who waits for it, and who is told when it could not be kept.
#[cfg(feature = "sqlite")]
pub(super) struct LinkChange {
    pub(super) link: bloodbank_core::store::CausationLink,
    pub(super) lifetime: std::time::Duration,
    pub(super) missed: Arc<bloodbank_core::store::UnrecordedLinks>,
    pub(super) confirm: Option<oneshot::Sender<Result<()>>>,
}

/// What is new in a topology and outlives the process.
#[derive(Default)]
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only a file reads it"))]
pub(super) struct DeclaredTopology {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) queues: Vec<(QueueId, Queue)>,
    /// Exchange, pattern, queue.
    pub(super) bindings: Vec<(Arc<str>, Arc<str>, QueueId)>,
}

/// Where changes go, in the order they are appended; the default is nowhere.
#[derive(Default)]
pub(super) struct ChangeLog(Option<mpsc::Sender<Record>>);

impl ChangeLog {
    #[cfg(feature = "sqlite")]
    pub(super) fn to(log: mpsc::Sender<Record>) -> Self {
        Self(Some(log))
    }

    /// Appends a change; it is made only if somebody keeps it. Never waits.
    pub(super) fn append(&self, record: impl FnOnce() -> Record) {
        if let Some(log) = &self.0 {
            // Nobody reads it any more: the bus was closed, and what is not kept is delivered again.
            drop(log.send(record()));
        }
    }

    /// Whether a message must be kept before it may be confirmed.
    pub(super) fn is_durable(&self) -> bool {
        self.0.is_some()
    }
}
