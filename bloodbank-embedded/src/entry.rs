//! A message in a queue.

use std::{sync::Arc, time::Duration};

use bloodbank_core::message::Incoming;

/// The place of a queue in the engine.
pub(super) type QueueId = usize;
/// The name of a published message in the engine; what is moved or copied to several queues keeps it.
pub(super) type MessageId = u64;

/// A message in a queue.
#[derive(Clone)]
pub(super) struct Entry {
    /// The place of the message in the order of the queue: the lower, the earlier.
    pub(super) seq: u64,
    pub(super) id: MessageId,
    pub(super) message: Arc<Incoming>,
    /// The number of times that the message came back unsettled.
    pub(super) returned: u32,
    pub(super) expires_at: Option<Duration>,
    /// The message was there when the file was opened: it may be what killed the process before.
    pub(super) restored: bool,
    /// The last record of the log about the message; 0: the file had it when it came here.
    pub(super) logged: u64,
}
