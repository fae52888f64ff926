//! How much a request may ask for.

use std::time::Duration;

/// How much a request may ask for. What is over a limit is refused with the limit in the answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a body; default 1 MiB.
    pub body_bytes: usize,
    /// Bytes of the body of a batch; default 16 MiB.
    pub batch_bytes: usize,
    /// Events in a batch; default 10,000.
    pub batch_events: usize,
    /// How deep JSON may be nested; default 64.
    pub nesting: usize,
    /// Requests that are worked on at the same time; default 1,024. Further ones get 503 and `Retry-After`.
    pub concurrency: usize,
    /// Streams that are open at the same time; default 4,096. Further ones get 503 and `Retry-After`.
    pub streams: usize,
    /// Events that are kept for streams whose client was away for a moment; default 4,096. With 0 none are.
    pub recent_events: usize,
    /// Bytes of these events; default 16 MiB.
    pub recent_bytes: usize,
    /// How long a request may take from its headers to the head of its answer; default 60 s.
    pub request_time: Duration,
    /// How long a client may take for its headers; default 10 s.
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
            recent_events: 4096,
            recent_bytes: 16 * 1024 * 1024,
            request_time: Duration::from_secs(60),
            header_time: Duration::from_secs(10),
        }
    }
}
