//! What can go wrong between us and the broker, by what is to be done about it.

use std::sync::Arc;

use lapin::{
    ErrorKind as Lapin,
    protocol::{AMQPErrorKind, AMQPHardError},
};

use bloodbank_core::{Error, ErrorKind};

/// Why a call to the broker failed.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// The broker closed the channel and says why; the connection is still there.
    Channel {
        /// The code of AMQP: 404, 406, …
        code: u16,
        /// The broker's words.
        text: Arc<str>,
    },
    /// The broker closed the connection because of something we sent.
    Protocol {
        /// The broker's words.
        text: Arc<str>,
    },
    /// The broker does not answer in time. One queue may be ill, or everything.
    Silence,
    /// The connection is gone or cannot be trusted any more.
    Lost {
        /// What was seen.
        text: Arc<str>,
    },
}

impl Fault {
    pub(super) fn lost(text: impl Into<Arc<str>>) -> Self {
        Self::Lost { text: text.into() }
    }

    /// The broker's words.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Channel { text, .. } | Self::Protocol { text } | Self::Lost { text } => text,
            Self::Silence => "the broker does not answer",
        }
    }

    /// As an error about the connection.
    pub(super) fn into_error(self, doing: &str) -> Error {
        Error::new(
            ErrorKind::Connection,
            format!("{doing}: {}; check that the broker is up and try again", self.text()),
        )
    }
}

impl From<lapin::Error> for Fault {
    fn from(error: lapin::Error) -> Self {
        if let Lapin::ProtocolError(said) = error.kind() {
            let text = said.get_message().as_str().into();
            return match said.kind() {
                AMQPErrorKind::Soft(_) => Self::Channel { code: said.get_id(), text },
                // The operator or a shutdown; not our doing.
                AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED) => Self::Lost { text },
                AMQPErrorKind::Hard(_) => Self::Protocol { text },
            };
        }
        Self::lost(error.to_string())
    }
}
