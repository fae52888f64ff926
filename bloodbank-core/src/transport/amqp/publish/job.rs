use tokio::sync::oneshot;

use crate::{
    error::{Error, ErrorKind, Result},
    transport::{Outgoing, Published},
};

/// A message that somebody waits for.
pub(super) struct Job {
    pub(super) message: Outgoing,
    /// How often a connection died while it alone was in flight.
    pub(super) strikes: u8,
    answer: oneshot::Sender<Result<Published>>,
}

impl Job {
    pub(super) fn new(message: Outgoing) -> (Self, oneshot::Receiver<Result<Published>>) {
        let (answer, answered) = oneshot::channel();
        let job = Self { message, strikes: 0, answer };
        (job, answered)
    }

    /// Nobody waits any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.answer.is_closed()
    }

    pub(super) fn answer(self, result: Result<Published>) {
        // Who does not wait is not answered.
        let _ = self.answer.send(result);
    }
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the connection to RabbitMQ was closed by this program; publish before closing")
}
