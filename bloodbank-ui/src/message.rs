//! What happens, as messages to the update; and what is to be done, as effects of it.

use std::sync::Arc;

use bloodbank_client::{
    CausationTrace, CheckedEvent, ConnectionStatus, DeadLetterEntry, Handle, PublishReceipt, QueueEntry, SweepAction,
    SweepReport,
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use crossterm::event::{KeyEvent, MouseEvent};
use serde_json::Value;
use uuid::Uuid;

/// What happens.
#[derive(Debug)]
pub(crate) enum Message {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(String),
    Resize {
        width: u16,
        height: u16,
    },
    /// A second has passed.
    Tick(DateTime<Utc>),
    /// The way to the bus has changed.
    Link(Link),
    /// Events were published: how many, and those of them that are shown, the oldest first.
    Events {
        count: u64,
        shown: Vec<Arc<SeenEvent>>,
    },
    /// Events that the bus remembers, the oldest first.
    History(Result<Vec<Arc<SeenEvent>>, String>),
    Published(Result<PublishReceipt, String>),
    Replied(Result<Value, String>),
    Traced {
        id: Uuid,
        result: Result<CausationTrace, String>,
    },
    DeadLetters(Result<Vec<DeadLetterEntry>, String>),
    Queues(Result<QueueReport, String>),
    Swept {
        action: SweepAction,
        result: Result<SweepReport, String>,
    },
    /// The text that comes back from the user's editor.
    Edited(Result<String, String>),
    Saved(Result<String, String>),
    Loaded(Result<String, String>),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    Quit,
    /// Publishes an event; then the dead letter that it replaces is closed.
    Publish {
        event: CheckedEvent,
        replaces: Option<LetterId>,
    },
    Execute(CheckedEvent),
    Trace(Uuid),
    /// Asks the bus for what it remembers since a time, and until another one.
    History {
        since: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
    },
    ListDeadLetters,
    ListQueues,
    Sweep {
        action: SweepAction,
        letters: Vec<LetterId>,
    },
    EditExternally(String),
    Save {
        key: String,
        text: String,
    },
    Load {
        key: String,
    },
}

/// A dead letter by the queue of its subscriber and its handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LetterId {
    pub(crate) queue: String,
    pub(crate) handle: Handle,
}

impl LetterId {
    pub(crate) fn of(letter: &DeadLetterEntry) -> Self {
        Self { queue: letter.queue.clone(), handle: letter.handle }
    }
}

/// What the bus says about its queues.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct QueueReport {
    pub(crate) queues: Vec<QueueEntry>,
    /// The connections to the broker; `None`: they cannot be seen.
    pub(crate) connections: Option<Vec<ConnectionStatus>>,
    /// Why these are not all queues.
    pub(crate) remark: Option<String>,
}

/// The way to the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Link {
    Connecting,
    /// The place of the bus.
    Up(String),
    /// Why it is away.
    Down(String),
}

/// An event that was seen on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenEvent {
    pub(crate) event_id: Option<Uuid>,
    pub(crate) event_type: String,
    pub(crate) time: Option<DateTime<Utc>>,
    pub(crate) app: String,
    pub(crate) causes: Vec<Uuid>,
    /// The envelope, as it came.
    pub(crate) body: Bytes,
}

impl SeenEvent {
    /// Reads as much of an envelope as a list shows.
    pub(crate) fn read(body: Bytes) -> Self {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Head {
            event_id: Option<Uuid>,
            event_type: Option<String>,
            timestamp: Option<DateTime<Utc>>,
            source: Source,
            correlation_ids: Vec<Uuid>,
        }
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Source {
            app: Option<String>,
        }
        let head: Head = serde_json::from_slice(&body).unwrap_or_default();
        Self {
            event_id: head.event_id,
            event_type: head.event_type.unwrap_or_else(|| "(no envelope)".to_owned()),
            time: head.timestamp,
            app: head.source.app.unwrap_or_default(),
            causes: head.correlation_ids,
            body,
        }
    }
}
