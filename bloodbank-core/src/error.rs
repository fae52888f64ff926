//! One error type with a kind; the kind decides whether trying again can help.

use std::fmt;

use serde::Serialize;

/// An error of any type, as handlers and libraries return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// `Result` with [`Error`] unless said otherwise.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A routing key or pattern breaks the grammar.
    InvalidKey,
    /// No event with that routing key is registered in this program.
    UnknownEvent,
    /// A payload does not fit its type, its schema or its validation rules.
    InvalidPayload,
    /// A body is not an event envelope.
    InvalidEnvelope,
    /// A header is refused: too many, too large, or a reserved name.
    InvalidHeader,
    /// A body is over the limit.
    TooLarge,
    /// No queue received the event, and the publisher asked for that to be an error.
    Unrouted,
    /// The broker refused the message (a full queue that rejects publishing, or an internal error).
    Refused,
    /// The broker cannot be reached or the connection broke.
    Connection,
    /// The deadline passed before the broker confirmed; the event may or may not be on the bus.
    Deadline,
    /// The bus was closed.
    Closed,
    /// The broker has a queue or an exchange of that name with other properties.
    Topology,
    /// A setting has a bad value.
    Settings,
    /// The declarations linked into this program contradict each other.
    Registry,
    /// A subscriber or a command needs a state that the app does not provide.
    MissingState,
    /// A store (file, Redis) failed.
    Storage,
    /// A command ended with its failure event.
    CommandFailed,
}

impl ErrorKind {
    /// Whether the same call can succeed later without anybody changing anything.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Refused | Self::Connection | Self::Deadline | Self::Storage => true,
            Self::InvalidKey
            | Self::UnknownEvent
            | Self::InvalidPayload
            | Self::InvalidEnvelope
            | Self::InvalidHeader
            | Self::TooLarge
            | Self::Unrouted
            | Self::Closed
            | Self::Topology
            | Self::Settings
            | Self::Registry
            | Self::MissingState
            | Self::CommandFailed => false,
        }
    }
}

/// What Bloodbank returns when something fails: a kind for programs, a sentence for people.
///
/// The size of a pointer: results are moved all the time, and hardly ever one with an error.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<BoxError>,
    faults: Vec<PayloadFault>,
}

/// One thing that is wrong with a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PayloadFault {
    /// Its place: a JSON pointer (RFC 6901); empty for the payload itself.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

impl Error {
    /// An error of this kind; the message is lower-case, without a full stop, and ends in the remedy.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None, faults: Vec::new() }))
    }

    /// Keeps the error underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Names the faults of a payload one by one.
    #[must_use]
    pub fn with_faults(mut self, faults: Vec<PayloadFault>) -> Self {
        self.0.faults = faults;
        self
    }

    /// The faults of the payload, where the error is about one.
    #[must_use]
    pub fn faults(&self) -> &[PayloadFault] {
        &self.0.faults
    }

    /// What went wrong, for programs.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether the same call can succeed later without anybody changing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.kind.is_retryable()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.source {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// The place of a fault as RFC 6901 has it.
pub(crate) fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        let token = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => "?".to_owned(),
        };
        pointer.push('/');
        pointer.push_str(&token);
    }
    pointer
}
