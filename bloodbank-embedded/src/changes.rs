//! Log of changes that the embedded bus keeps beyond its process: none in memory, one SQLite file otherwise.

use std::{
    cell::Cell,
    sync::{Arc, mpsc},
};

use tokio::sync::oneshot;

use crate::entry::{Entry, MessageId, QueueId};
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
    /// A lease was taken, renewed, finished or released.
    #[cfg(feature = "sqlite")]
    Leased(LeaseChange),
    /// The line of a parked key was joined, left or released.
    #[cfg(feature = "sqlite")]
    Parked(LineChange),
    /// A link from an event to its causes.
    #[cfg(feature = "sqlite")]
    Linked(LinkChange),
    /// A query of the tables, which sees everything that was appended before.
    #[cfg(feature = "sqlite")]
    Queried(Query),
    /// The bus is closed; answered when the file is free.
    Closed(Option<oneshot::Sender<()>>),
    /// A test uses the connection of the writer.
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

/// A query that runs between two transactions.
#[cfg(feature = "sqlite")]
pub(super) type Query = Box<dyn FnOnce(&rusqlite::Connection) + Send>;

/// A change of a lease. Its outcome is known when it is written, and told when it is committed.
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

/// A change of the line of a parked key. Its outcome is known when it is written, and told when it is committed.
#[cfg(feature = "sqlite")]
pub(super) struct LineChange {
    pub(super) operation: LineOperation,
    /// The event; where a whole line is released, the nil id.
    pub(super) event: bloodbank_core::store::ParkedEvent,
    pub(super) outcome: Cell<Option<LineOutcome>>,
    pub(super) answer: oneshot::Sender<Result<LineOutcome>>,
}

#[cfg(feature = "sqlite")]
#[derive(Clone, Copy)]
pub(super) enum LineOperation {
    Join,
    Park,
    Leave,
    Remove,
    Release,
}

/// What a change of a line leads to.
#[cfg(feature = "sqlite")]
#[derive(Clone, Copy)]
pub(super) struct LineOutcome {
    /// The place of an event that joins.
    pub(super) place: bloodbank_core::store::Place,
    /// The position of an event that is parked, or the number of events that were released.
    pub(super) number: u64,
}

/// A link to keep for its lifetime, with whoever waits for it and the list that it joins when it cannot be kept.
#[cfg(feature = "sqlite")]
pub(super) struct LinkChange {
    pub(super) link: bloodbank_core::store::CausationLink,
    pub(super) lifetime: std::time::Duration,
    pub(super) missed: Arc<bloodbank_core::store::UnrecordedLinks>,
    pub(super) confirm: Option<oneshot::Sender<Result<()>>>,
}

/// New parts of a topology that outlive the process.
#[derive(Default)]
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "only a file reads it"))]
pub(super) struct DeclaredTopology {
    pub(super) exchanges: Vec<Exchange>,
    pub(super) queues: Vec<(QueueId, Queue)>,
    /// Exchange, pattern, queue.
    pub(super) bindings: Vec<(Arc<str>, Arc<str>, QueueId)>,
}

/// The number of changes behind which the file may be before no more messages are read from it only to be moved.
const MOST_BEHIND: u64 = 10_000;

/// Where changes go, in the order they are appended; the default is nowhere.
#[derive(Default)]
pub(super) struct ChangeLog {
    log: Option<mpsc::Sender<Record>>,
    appended: Cell<u64>,
}

impl ChangeLog {
    #[cfg(feature = "sqlite")]
    pub(super) fn to(log: mpsc::Sender<Record>) -> Self {
        Self { log: Some(log), appended: Cell::new(0) }
    }

    /// Appends a change, and returns its number in the log: 1 is the first. It is made only if somebody keeps it; otherwise
    /// its number is 0. Never waits.
    pub(super) fn append(&self, record: impl FnOnce() -> Record) -> u64 {
        if let Some(log) = &self.log {
            self.appended.update(|appended| appended + 1);
            // Nobody reads it any more: the bus was closed, and what is not kept is delivered again.
            drop(log.send(record()));
        }
        self.appended.get()
    }

    /// Tells whether few changes were appended after this one.
    pub(super) fn is_near(&self, written: u64) -> bool {
        self.appended.get() <= written + MOST_BEHIND
    }

    /// Tells whether a message must be in the file before it may be confirmed.
    pub(super) fn is_durable(&self) -> bool {
        self.log.is_some()
    }
}
