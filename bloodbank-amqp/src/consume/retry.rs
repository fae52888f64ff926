//! Attempts that are repeated while the connection is lost and made again.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use bloodbank_core::{Error, ErrorKind, Result};

use crate::{broker_fault::BrokerFault, declare::AttemptError};

/// The time for which declaring, browsing and starting to consume wait for a connection.
const CONNECTION_WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// What must be done within some time, in as many attempts as it takes.
pub(super) struct Retry<'a> {
    /// Names it in errors.
    doing: &'a str,
    deadline: Instant,
    last: Option<BrokerFault>,
}

impl<'a> Retry<'a> {
    pub(super) fn new(doing: &'a str) -> Self {
        Self { doing, deadline: Instant::now() + CONNECTION_WAIT_TIMEOUT, last: None }
    }

    /// Makes an attempt, which answers `None` when the transport is closed. Returns `None` when another one is worth it.
    pub(super) async fn attempt<T>(
        &mut self,
        attempt: impl Future<Output = Option<Result<T, AttemptError>>>,
    ) -> Result<Option<T>> {
        match timeout_at(self.deadline, attempt).await {
            Ok(Some(Ok(done))) => Ok(Some(done)),
            Ok(Some(Err(AttemptError::Refused(error) | AttemptError::Unavailable(error)))) => Err(error),
            Ok(Some(Err(AttemptError::ConnectionLost(fault)))) => {
                self.last = Some(fault);
                Ok(None)
            }
            Ok(None) => Err(closed()),
            Err(_) => Err(self.timed_out()),
        }
    }

    fn timed_out(&self) -> Error {
        match &self.last {
            Some(fault) => fault.clone().into_error(self.doing),
            None => Error::new(
                ErrorKind::Connection,
                format!("{}: RabbitMQ cannot be reached; check that it is up and try again", self.doing),
            ),
        }
    }
}

pub(super) fn closed() -> Error {
    Error::new(
        ErrorKind::Closed,
        "the connection to RabbitMQ was closed by this program; declare and consume before closing",
    )
}
