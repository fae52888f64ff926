//! The access that an endpoint asks of its caller.

use super::caller::Caller;
use crate::problem::Problem;

/// The access that an endpoint asks of its caller. A gateway without tokens gives every access to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// No token is needed, and the limit of concurrent requests does not count.
    Probe,
    /// No token is needed: for webhooks, which check a signature themselves.
    Public,
    /// Any token is enough. The endpoint itself checks the routing keys that the token may publish or read.
    Token,
    /// A token is needed that may read every event.
    ReadAll,
    /// A token is needed that may read and publish every event.
    ReadAndPublishAll,
}

impl Access {
    /// Whether a request without a token is refused.
    pub(crate) fn needs_token(self) -> bool {
        !matches!(self, Self::Probe | Self::Public)
    }

    /// Refuses a caller whose token allows too little.
    ///
    /// # Errors
    /// A problem with the status 403 that says what the token lacks.
    pub fn check(self, caller: &Caller) -> Result<(), Problem> {
        match self {
            Self::Probe | Self::Public | Self::Token => Ok(()),
            Self::ReadAll => caller.check_read_all(),
            Self::ReadAndPublishAll => {
                caller.check_read_all()?;
                caller.check_publish_all()
            }
        }
    }
}
