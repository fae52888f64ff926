//! Why a client could not do what it was asked for.

use std::{fmt, time::Duration};

use bloodbank_core::{Error, ErrorKind, ExecuteError};

/// The result of what a client does.
pub type Result<T, E = ClientError> = std::result::Result<T, E>;

/// Why a client could not do what it was asked for.
///
/// The messages name the remedy as far as it is the same for every program; what a program calls its verbs or buttons, it
/// adds by the variant.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// The bus says why.
    Bus(Error),
    /// A command was executed and failed; the message of its failure event.
    CommandFailed(String),
    /// No event of this program has a type of this name.
    UnknownType {
        /// The name that was asked for.
        name: String,
        /// The name that was probably meant.
        nearest: Option<String>,
    },
    /// A request contradicts itself or its event; the message says where and what to change.
    Invalid(String),
    /// No payload can be made up from the schema of an event.
    NoMock {
        /// The key of the event.
        routing_key: String,
        /// Why the payload that was made up does not fit.
        reason: String,
    },
    /// No gateway answers at this address.
    NoGateway {
        /// The address.
        url: String,
    },
    /// A gateway does not answer any more.
    GatewayUnreachable {
        /// The address.
        url: String,
        /// The error of the HTTP client.
        reason: String,
    },
    /// A gateway refuses the request.
    GatewayRefused {
        /// The address.
        url: String,
        /// The status of its answer.
        status: u16,
        /// Why, with the places in the payload.
        reason: String,
    },
    /// The answer of a gateway cannot be read.
    InvalidAnswer {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A gateway has ended the stream of events and did not come back.
    StreamEnded {
        /// The address.
        url: String,
        /// How long the client waited for it.
        waited: Duration,
    },
    /// The management API of RabbitMQ does not list the queues.
    NoManagement {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// No queue receives a command, so that nobody can execute it.
    NoExecutor {
        /// The key of the command.
        routing_key: String,
    },
    /// A command was not answered in time.
    NoReply {
        /// The key of the command.
        routing_key: String,
        /// How long the client waited.
        timeout: Duration,
    },
    /// No subscriber has this queue, as far as a gateway knows.
    NoQueue {
        /// The queue.
        queue: String,
    },
}

impl ClientError {
    /// Whether the request itself is wrong: the same request can never succeed.
    #[must_use]
    pub fn is_invalid_request(&self) -> bool {
        match self {
            Self::Bus(error) => is_invalid_request(error.kind()),
            Self::UnknownType { .. } | Self::Invalid(_) => true,
            Self::GatewayRefused { status, .. } => (400..500).contains(status),
            Self::CommandFailed(_)
            | Self::NoMock { .. }
            | Self::NoGateway { .. }
            | Self::GatewayUnreachable { .. }
            | Self::InvalidAnswer { .. }
            | Self::StreamEnded { .. }
            | Self::NoManagement { .. }
            | Self::NoExecutor { .. }
            | Self::NoReply { .. }
            | Self::NoQueue { .. } => false,
        }
    }

    /// Whether the queue that was asked for does not exist.
    #[must_use]
    pub fn is_missing_queue(&self) -> bool {
        matches!(self, Self::NoQueue { .. }) || matches!(self, Self::Bus(error) if error.kind() == ErrorKind::Topology)
    }
}

fn is_invalid_request(kind: ErrorKind) -> bool {
    match kind {
        ErrorKind::InvalidKey
        | ErrorKind::UnknownEvent
        | ErrorKind::InvalidPayload
        | ErrorKind::InvalidEnvelope
        | ErrorKind::InvalidHeader
        | ErrorKind::TooLarge
        | ErrorKind::Settings => true,
        ErrorKind::Unrouted
        | ErrorKind::Refused
        | ErrorKind::Connection
        | ErrorKind::Deadline
        | ErrorKind::Closed
        | ErrorKind::Topology
        | ErrorKind::Registry
        | ErrorKind::MissingState
        | ErrorKind::Storage
        | ErrorKind::CommandFailed => false,
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bus(error) => error.fmt(f),
            Self::CommandFailed(message) | Self::Invalid(message) => f.write_str(message),
            Self::UnknownType { name, nearest } => {
                write!(f, "no event of type `{name}` is registered in this program")?;
                nearest.as_ref().map_or(Ok(()), |nearest| write!(f, "; did you mean `{nearest}`?"))
            }
            Self::NoMock { routing_key, reason } => write!(
                f,
                "no payload can be made up for `{routing_key}`: {reason}; declare one with `example = …`, or give one"
            ),
            Self::NoGateway { url } => write!(f, "no gateway answers at {url}"),
            Self::GatewayUnreachable { url, reason } => {
                write!(f, "the gateway at {url} does not answer: {reason}; read its log")
            }
            Self::GatewayRefused { url, status, reason } => {
                let remedy = if *status == 401 { "; set BLOODBANK_TOKEN" } else { "" };
                write!(f, "the gateway at {url} refuses the request: {reason}{remedy}")
            }
            Self::InvalidAnswer { url, reason } => {
                write!(f, "the answer of the gateway at {url} cannot be read: {reason}")
            }
            Self::StreamEnded { url, waited } => {
                write!(f, "the gateway at {url} ended the stream of events and was not back after {waited:?}")
            }
            Self::NoManagement { url, reason } => write!(
                f,
                "the management API of RabbitMQ at {url} does not answer as it should: {reason}; enable the plugin `rabbitmq_management`, or set RABBIT_MANAGEMENT_URL"
            ),
            Self::NoExecutor { routing_key } => write!(f, "no queue receives `{routing_key}`; start its executor"),
            Self::NoReply { routing_key, timeout } => write!(
                f,
                "no answer to `{routing_key}` within {timeout:?}; its executor is slow or retries, and may still execute the command"
            ),
            Self::NoQueue { queue } => write!(f, "no subscriber has a queue `{queue}`"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // The message is that of the error; what is behind it comes next.
            Self::Bus(error) => std::error::Error::source(error),
            _ => None,
        }
    }
}

impl From<Error> for ClientError {
    fn from(error: Error) -> Self {
        Self::Bus(error)
    }
}

impl From<ExecuteError> for ClientError {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Bus(error) => Self::Bus(error),
            failed @ ExecuteError::Failed(_) => Self::CommandFailed(failed.to_string()),
        }
    }
}
