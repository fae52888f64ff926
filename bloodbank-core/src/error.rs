//! The error type of Bloodbank. Its kind decides whether a retry can help.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A boxed error of any type, as handlers and libraries return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// `Result` whose error is [`Error`] unless another type is given.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an [`Error`], for programs to match on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// A message body or correlation metadata is over its size limit.
    TooLarge,
    /// No queue received the event, and the publisher asked for that to be an error.
    Unrouted,
    /// The broker refused the message (a full queue that rejects publishing, or an internal error).
    Refused,
    /// The broker cannot be reached, or the connection to it broke.
    Connection,
    /// The deadline passed before the broker confirmed; the event may or may not be on the bus.
    Deadline,
    /// The bus was closed.
    Closed,
    /// A queue or an exchange of that name has other properties on the broker, or does not exist there.
    Topology,
    /// A setting has a bad value.
    Settings,
    /// The declarations linked into this program contradict each other.
    Registry,
    /// A subscriber or a command needs a state that the app does not provide.
    MissingState,
    /// A store (file, Redis) failed.
    Storage,
    /// A command ended without a reply and without a failure event.
    CommandFailed,
}

impl ErrorKind {
    /// Whether a retry can help: the same call may succeed later although nothing was changed.
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

/// The error of Bloodbank: a kind for programs, a sentence for people.
///
/// An `Error` has the size of a pointer, because results are moved all the time and rarely hold an error.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<BoxError>,
    faults: Vec<PayloadFault>,
    omitted_faults: usize,
}

/// The number of faults that an error lists. A payload may have one in every byte.
pub(crate) const MOST_FAULTS: usize = 100;

/// A fault in a payload: its place and its description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PayloadFault {
    /// The place of the fault as a JSON pointer (RFC 6901); empty for the payload itself.
    pub pointer: String,
    /// The description of the fault.
    pub detail: String,
}

/// The end of a sentence that lists faults and leaves so many out.
pub(crate) fn more_faults(omitted: usize) -> String {
    if omitted == 0 { String::new() } else { format!("; and {omitted} more") }
}

impl Error {
    /// Creates an error of this kind; the message is lower-case, without a full stop, and ends in the remedy.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None, faults: Vec::new(), omitted_faults: 0 }))
    }

    /// Adds the underlying error as the source.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds the faults of a payload, one by one. Of more than 100 the first are kept, and the others are counted.
    #[must_use]
    pub fn with_faults(mut self, mut faults: Vec<PayloadFault>) -> Self {
        self.0.omitted_faults += faults.len().saturating_sub(MOST_FAULTS);
        faults.truncate(MOST_FAULTS);
        self.0.faults = faults;
        self
    }

    /// Counts faults of the payload that are not listed.
    #[must_use]
    pub fn with_omitted_faults(mut self, count: usize) -> Self {
        self.0.omitted_faults += count;
        self
    }

    /// The number of faults of the payload beyond those that are listed.
    #[must_use]
    pub fn omitted_faults(&self) -> usize {
        self.0.omitted_faults
    }

    /// The faults of the payload, if the error is about a payload; at most the first 100.
    #[must_use]
    pub fn faults(&self) -> &[PayloadFault] {
        &self.0.faults
    }

    /// The kind of the error, for programs to match on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Whether a retry can help: the same call may succeed later although nothing was changed.
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

/// The JSON pointer (RFC 6901) of a fault's path, as far as it is known: a member without a name is told by its object.
pub(crate) fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path {
        let token = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => break,
        };
        pointer.push('/');
        pointer.push_str(&token);
    }
    pointer
}
