//! The lines on the socket.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use bloodbank_core::{
    Error, ErrorKind,
    message::{Incoming, Outgoing, Properties},
    store::{BatchRead, CausationLink, JournalEntry, JournalQuery, LinkEntry, ParkedEvent, ParkedKey, Place, Position},
    transport::{QueueStatus, Topology, TopologyDiff},
};

/// A request; `id` is that of its answer, and of what it starts: a stream of deliveries, a browser.
#[derive(Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) call: Call,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Call {
    Hello {
        protocol: u32,
    },
    Publish {
        message: WireMessage,
        mandatory: bool,
    },
    Declare {
        topology: Topology,
    },
    Compare {
        topology: Topology,
    },
    /// The state of a queue.
    Queue {
        queue: Arc<str>,
    },
    /// The states of all queues.
    Queues,
    /// Makes a queue forget its subscriber.
    Release {
        queue: Arc<str>,
    },
    Consume {
        queue: Arc<str>,
        prefetch: u16,
    },
    Browse {
        queue: Arc<str>,
    },
    /// The next message of a browser.
    Next {
        browser: u64,
    },
    /// Is answered once what was settled so far is kept.
    Flush {
        browser: u64,
    },
    /// Ends a stream or a browser; what it holds goes back.
    End {
        holder: u64,
    },
    /// Ends a browser, and is answered once all its settlements are kept.
    Finish {
        browser: u64,
    },
    /// Has no answer.
    Settle {
        holder: u64,
        tag: u64,
        how: Settled,
    },
    WriteLinks {
        links: Vec<CausationLink>,
    },
    LinkEntries {
        events: Vec<Uuid>,
    },
    LinkChildren {
        events: Vec<Uuid>,
    },
    FindLinks {
        first: Uuid,
        last: Uuid,
        limit: usize,
    },
    FlushLinks,
    JoinLine(ParkedEvent),
    ParkInLine(ParkedEvent),
    LeaveLine(ParkedEvent),
    RemoveFromLine(ParkedEvent),
    ReleaseLine {
        queue: Arc<str>,
        key: Arc<str>,
    },
    ParkedKeys {
        queue: Arc<str>,
    },
    ReadJournal {
        query: JournalQuery,
        from: Position,
        /// Whether the stream goes on with what is published later.
        follow: bool,
    },
    JournalEntry {
        event_id: Uuid,
    },
    JournalFloor,
    JournalTip,
    JournalCompleteFrom,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Settled {
    Ack,
    Reject,
    Requeue,
}

/// An answer, or an item of a stream.
#[derive(Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) id: u64,
    pub(super) result: Result<Answer, WireError>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Done,
    Hello {
        protocol: u32,
        version: String,
    },
    Published {
        unrouted: Option<bool>,
    },
    Compared {
        items: Vec<TopologyDiff>,
    },
    Browsing {
        left: usize,
    },
    Queue(Option<QueueStatus>),
    Queues(Option<Vec<QueueStatus>>),
    /// An item of a stream of deliveries, or of a browser, which has no more after `None`.
    Delivery(Option<WireDelivery>),
    Entries(BatchRead<Option<LinkEntry>>),
    Children(BatchRead<Vec<Uuid>>),
    Events(Vec<Uuid>),
    Place(Place),
    Number(u64),
    ParkedKeys(Vec<ParkedKey>),
    /// An entry of a journal, the last one of which is `None`.
    Entry(Option<JournalEntry>),
    Offset(Option<u64>),
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireError {
    kind: ErrorKind,
    message: String,
}

impl From<&Error> for WireError {
    fn from(error: &Error) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }
}

impl From<WireError> for Error {
    fn from(error: WireError) -> Self {
        Self::new(error.kind, error.message)
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireDelivery {
    pub(super) tag: u64,
    pub(super) redelivered: bool,
    pub(super) message: WireMessage,
}

#[derive(Serialize, Deserialize)]
pub(super) struct WireMessage {
    exchange: Arc<str>,
    routing_key: Arc<str>,
    properties: Properties,
    body: Body,
}

/// A body, as text where it is text: almost always.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Body {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        match String::from_utf8(bytes.into()) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Bytes(error.into_bytes()),
        }
    }
}

impl From<Body> for Bytes {
    fn from(body: Body) -> Self {
        match body {
            Body::Text(text) => text.into(),
            Body::Bytes(bytes) => bytes.into(),
        }
    }
}

impl From<Incoming> for WireMessage {
    fn from(message: Incoming) -> Self {
        let Incoming { exchange, routing_key, properties, body } = message;
        Self { exchange, routing_key, properties, body: body.into() }
    }
}

impl From<WireMessage> for Incoming {
    fn from(message: WireMessage) -> Self {
        let WireMessage { exchange, routing_key, properties, body } = message;
        Self { exchange, routing_key, properties, body: body.into() }
    }
}

impl WireMessage {
    pub(super) fn outgoing(message: Outgoing) -> Self {
        let Outgoing { exchange, routing_key, properties, body, .. } = message;
        Self { exchange, routing_key, properties, body: body.into() }
    }

    pub(super) fn into_outgoing(self, mandatory: bool) -> Outgoing {
        let message =
            Outgoing::new(self.exchange, self.routing_key, Bytes::from(self.body)).properties(self.properties);
        if mandatory { message.mandatory() } else { message }
    }
}
