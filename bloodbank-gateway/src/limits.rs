//! The limits of requests, streams and connections.

use std::time::Duration;

/// The limits of requests, streams and connections. A request over a limit is refused, and the answer names the limit.
///
/// ```
/// let limits = bloodbank_gateway::Limits::default().body_bytes(64 * 1024).streams(100);
/// assert_eq!(limits.batch_events, 10_000);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a body; default 1 MiB.
    pub body_bytes: usize,
    /// Bytes of the body of a batch; default 16 MiB.
    pub batch_bytes: usize,
    /// Events in a batch; default 10,000.
    pub batch_events: usize,
    /// Levels of nested JSON; default 64.
    pub nesting: usize,
    /// Requests that are handled at the same time; default 1,024. Further ones get 503 and `Retry-After`.
    pub concurrency: usize,
    /// Streams that are open at the same time; default 4,096. Further ones get 503 and `Retry-After`.
    pub streams: usize,
    /// MCP sessions that one token may have at the same time; default 100. Further ones get 503 and `Retry-After`.
    pub mcp_sessions: usize,
    /// Events that are kept for streams whose client was away for a moment; default 4,096. With 0 none are.
    pub recent_events: usize,
    /// Bytes of the events that are kept for streams; default 16 MiB.
    pub recent_bytes: usize,
    /// Time for which the gateway goes on receiving events after its last stream has closed, for a client that comes back; default
    /// 60 s. An event counts as received by a queue as long.
    pub stream_linger: Duration,
    /// Time from the headers of a request to the head of its answer; default 60 s.
    pub request_time: Duration,
    /// Time in which a client must send its headers; default 10 s.
    pub header_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            batch_bytes: 16 * 1024 * 1024,
            batch_events: 10_000,
            nesting: 64,
            concurrency: 1024,
            streams: 4096,
            mcp_sessions: 100,
            recent_events: 4096,
            recent_bytes: 16 * 1024 * 1024,
            stream_linger: Duration::from_secs(60),
            request_time: Duration::from_secs(60),
            header_time: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// Sets [`Limits::body_bytes`](#structfield.body_bytes).
    #[must_use]
    pub fn body_bytes(mut self, body_bytes: usize) -> Self {
        self.body_bytes = body_bytes;
        self
    }

    /// Sets [`Limits::batch_bytes`](#structfield.batch_bytes).
    #[must_use]
    pub fn batch_bytes(mut self, batch_bytes: usize) -> Self {
        self.batch_bytes = batch_bytes;
        self
    }

    /// Sets [`Limits::batch_events`](#structfield.batch_events).
    #[must_use]
    pub fn batch_events(mut self, batch_events: usize) -> Self {
        self.batch_events = batch_events;
        self
    }

    /// Sets [`Limits::nesting`](#structfield.nesting).
    #[must_use]
    pub fn nesting(mut self, nesting: usize) -> Self {
        self.nesting = nesting;
        self
    }

    /// Sets [`Limits::concurrency`](#structfield.concurrency).
    #[must_use]
    pub fn concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Sets [`Limits::streams`](#structfield.streams).
    #[must_use]
    pub fn streams(mut self, streams: usize) -> Self {
        self.streams = streams;
        self
    }

    /// Sets [`Limits::mcp_sessions`](#structfield.mcp_sessions).
    #[must_use]
    pub fn mcp_sessions(mut self, mcp_sessions: usize) -> Self {
        self.mcp_sessions = mcp_sessions;
        self
    }

    /// Sets [`Limits::recent_events`](#structfield.recent_events).
    #[must_use]
    pub fn recent_events(mut self, recent_events: usize) -> Self {
        self.recent_events = recent_events;
        self
    }

    /// Sets [`Limits::recent_bytes`](#structfield.recent_bytes).
    #[must_use]
    pub fn recent_bytes(mut self, recent_bytes: usize) -> Self {
        self.recent_bytes = recent_bytes;
        self
    }

    /// Sets [`Limits::stream_linger`](#structfield.stream_linger).
    #[must_use]
    pub fn stream_linger(mut self, stream_linger: Duration) -> Self {
        self.stream_linger = stream_linger;
        self
    }

    /// Sets [`Limits::request_time`](#structfield.request_time).
    #[must_use]
    pub fn request_time(mut self, request_time: Duration) -> Self {
        self.request_time = request_time;
        self
    }

    /// Sets [`Limits::header_time`](#structfield.header_time).
    #[must_use]
    pub fn header_time(mut self, header_time: Duration) -> Self {
        self.header_time = header_time;
        self
    }
}
