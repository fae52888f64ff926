//! A request to publish, and the answer for its caller.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::{Mutex, MutexGuard};

use bloodbank_core::{
    Error, ErrorKind, Result,
    message::{Outgoing, Published},
};

/// A message to be published, and the answer for its caller. Both share one allocation, so that the message is not moved on its
/// way through queue and window.
pub(super) struct Request {
    shared: Arc<Shared>,
    /// The number of connections that the broker ended while this message alone was in flight.
    pub(super) strikes: u8,
    /// The number of channels on which the broker refused this message.
    pub(super) refusals: u8,
    /// Held as long as the request is on its lane.
    pub(super) pass: Option<Arc<()>>,
}

/// The message and the answer.
struct Shared {
    message: Outgoing,
    answer: Mutex<Answer>,
}

/// The state of the answer.
enum Answer {
    /// Not given yet; the waker of the caller, once the caller waits.
    Awaited(Option<Waker>),
    Given(Result<Published>),
    /// The caller has stopped waiting.
    Abandoned,
}

impl Request {
    pub(super) fn new(message: Outgoing) -> (Self, Answered) {
        let shared = Arc::new(Shared { message, answer: Mutex::new(Answer::Awaited(None)) });
        (Self { shared: Arc::clone(&shared), strikes: 0, refusals: 0, pass: None }, Answered(shared))
    }

    pub(super) fn message(&self) -> &Outgoing {
        &self.shared.message
    }

    /// Whether the caller has stopped waiting.
    pub(super) fn is_abandoned(&self) -> bool {
        matches!(*self.shared.lock(), Answer::Abandoned)
    }

    pub(super) fn answer(self, result: Result<Published>) {
        self.shared.answer(|| result);
    }
}

/// Answers a request that is dropped without an answer: the runtime of the owner is shutting down.
impl Drop for Request {
    fn drop(&mut self) {
        self.shared.answer(|| Err(closed()));
    }
}

impl Shared {
    /// Gives the answer; only the first counts.
    fn answer(&self, result: impl FnOnce() -> Result<Published>) {
        let mut answer = self.lock();
        if let Answer::Awaited(waker) = &mut *answer {
            let waker = waker.take();
            *answer = Answer::Given(result());
            drop(answer);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Answer> {
        self.answer.lock()
    }
}

/// A future of the answer.
pub(super) struct Answered(Arc<Shared>);

impl Answered {
    /// Stops waiting; `true` when the answer had not been given.
    pub(super) fn give_up(&self) -> bool {
        let answer = std::mem::replace(&mut *self.0.lock(), Answer::Abandoned);
        matches!(answer, Answer::Awaited(_))
    }
}

impl Future for Answered {
    type Output = Result<Published>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = self.0.lock();
        if let Answer::Awaited(waker) = &mut *answer {
            match waker {
                Some(waker) => waker.clone_from(context.waker()),
                None => *waker = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        match std::mem::replace(&mut *answer, Answer::Abandoned) {
            Answer::Given(result) => Poll::Ready(result),
            Answer::Awaited(_) | Answer::Abandoned => Poll::Ready(Err(closed())),
        }
    }
}

/// The error of a call after the transport was closed.
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the connection to RabbitMQ was closed by this program; publish before closing")
}
