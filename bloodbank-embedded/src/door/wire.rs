//! The lines on the socket.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use bloodbank_core::{
    Error, ErrorKind, Result,
    message::{Incoming, Outgoing, Properties},
    routing::BindingPattern,
    store::{BatchRead, CausationLink, JournalEntry, JournalQuery, LinkEntry, Position},
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
    FlushLinks,
    ReadJournal {
        query: WireQuery,
        from: WirePosition,
    },
    JournalEntry {
        event_id: Uuid,
    },
    JournalFloor,
    JournalTip,
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
        unrouted: bool,
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
    /// An entry of a journal, the last one of which is `None`.
    Entry(Option<WireEntry>),
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
pub(super) struct WireEntry {
    pub(super) offset: u64,
    pub(super) published_at: DateTime<Utc>,
    pub(super) message: WireMessage,
}

impl From<JournalEntry> for WireEntry {
    fn from(entry: JournalEntry) -> Self {
        let JournalEntry { offset, published_at, message, .. } = entry;
        Self { offset, published_at, message: message.into() }
    }
}

impl From<WireEntry> for JournalEntry {
    fn from(entry: WireEntry) -> Self {
        Self::new(entry.offset, entry.published_at, entry.message.into())
    }
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

#[derive(Serialize, Deserialize)]
pub(super) struct WireQuery {
    pattern: Option<String>,
    exchange: Option<String>,
    since: Option<DateTime<Utc>>,
}

impl From<JournalQuery> for WireQuery {
    fn from(query: JournalQuery) -> Self {
        let JournalQuery { pattern, exchange, since, .. } = query;
        Self { pattern: pattern.map(|pattern| pattern.as_str().to_owned()), exchange, since }
    }
}

impl WireQuery {
    pub(super) fn read(self) -> Result<JournalQuery> {
        let mut query = JournalQuery::all();
        if let Some(pattern) = self.pattern {
            let parsed = BindingPattern::parse(pattern);
            query = query.pattern(parsed.map_err(|error| Error::new(ErrorKind::InvalidKey, error.to_string()))?);
        }
        query.exchange = self.exchange;
        query.since = self.since;
        Ok(query)
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WirePosition {
    Start,
    Offset(u64),
    Time(DateTime<Utc>),
    Last(usize),
}

impl From<Position> for WirePosition {
    fn from(position: Position) -> Self {
        match position {
            Position::Start => Self::Start,
            Position::Offset(offset) => Self::Offset(offset),
            Position::Time(time) => Self::Time(time),
            Position::Last(count) => Self::Last(count),
        }
    }
}

impl From<WirePosition> for Position {
    fn from(position: WirePosition) -> Self {
        match position {
            WirePosition::Start => Self::Start,
            WirePosition::Offset(offset) => Self::Offset(offset),
            WirePosition::Time(time) => Self::Time(time),
            WirePosition::Last(count) => Self::Last(count),
        }
    }
}
