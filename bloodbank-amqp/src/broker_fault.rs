//! The faults of a call to the broker, told apart by the remedy.

use std::sync::Arc;

use lapin::{
    ErrorKind as Lapin,
    protocol::{AMQPErrorKind, AMQPHardError},
};

use crate::limit;
use bloodbank_core::{Error, ErrorKind};

/// The reply code of what a limit forbids.
const NOT_ALLOWED: u16 = 530;

/// The reason why a call to the broker failed.
#[derive(Debug, Clone)]
pub(super) enum BrokerFault {
    /// The broker closed the channel and says why; the connection is still up.
    Channel {
        /// The reply code of AMQP: 404, 406, …
        code: u16,
        /// The broker's words.
        text: Arc<str>,
    },
    /// The broker closed the connection because of something that this program sent.
    Protocol {
        /// The broker's words.
        text: Arc<str>,
    },
    /// The broker does not answer in time: one queue may be unavailable, or the whole broker.
    Unresponsive,
    /// The connection is lost, or can no longer be trusted.
    ConnectionLost {
        /// The observation that shows it.
        text: Arc<str>,
    },
}

impl BrokerFault {
    pub(super) fn connection_lost(text: impl Into<Arc<str>>) -> Self {
        Self::ConnectionLost { text: text.into() }
    }

    /// The broker's words, or an observation.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Channel { text, .. } | Self::Protocol { text } | Self::ConnectionLost { text } => text,
            Self::Unresponsive => "the broker does not answer",
        }
    }

    /// The fault as an error of kind [`ErrorKind::Connection`]; `doing` names what failed.
    pub(super) fn into_error(self, doing: &str) -> Error {
        let remedy = limit::remedy(self.text()).unwrap_or("check that the broker is up and try again");
        Error::new(ErrorKind::Connection, format!("{doing}: {}; {remedy}", self.text()))
    }
}

impl From<lapin::Error> for BrokerFault {
    fn from(error: lapin::Error) -> Self {
        if let Lapin::ProtocolError(said) = error.kind() {
            let text = said.get_message().as_str().into();
            return match said.kind() {
                AMQPErrorKind::Soft(_) => Self::Channel { code: said.get_id(), text },
                // An operator or a shutdown, not something that this program sent.
                AMQPErrorKind::Hard(AMQPHardError::CONNECTIONFORCED) => Self::ConnectionLost { text },
                AMQPErrorKind::Hard(_) => Self::Protocol { text },
            };
        }
        if let Lapin::ChannelsLimitReached = error.kind() {
            // A limit that was agreed upon, about which the broker is not asked again; the connection works.
            return Self::Channel { code: NOT_ALLOWED, text: error.to_string().into() };
        }
        Self::connection_lost(error.to_string())
    }
}
