//! A message that somebody waits for.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bloodbank_core::{
    Error, ErrorKind, Result,
    message::{Outgoing, Published},
};

/// A message that somebody waits for. It is shared with who waits, so that it is moved no more on its way through queue and
/// window.
pub(super) struct Job {
    shared: Arc<Shared>,
    /// How often a connection died while it alone was in flight.
    pub(super) strikes: u8,
}

struct Shared {
    message: Outgoing,
    answer: Mutex<Answer>,
}

enum Answer {
    /// Who waits, once it does.
    Awaited(Option<Waker>),
    Given(Result<Published>),
    /// Nobody waits any more.
    Abandoned,
}

impl Job {
    pub(super) fn new(message: Outgoing) -> (Self, Answered) {
        let shared = Arc::new(Shared { message, answer: Mutex::new(Answer::Awaited(None)) });
        (Self { shared: Arc::clone(&shared), strikes: 0 }, Answered(shared))
    }

    pub(super) fn message(&self) -> &Outgoing {
        &self.shared.message
    }

    /// Nobody waits any more.
    pub(super) fn is_abandoned(&self) -> bool {
        matches!(*self.shared.lock(), Answer::Abandoned)
    }

    pub(super) fn answer(self, result: Result<Published>) {
        self.shared.answer(|| result);
    }
}

/// Nobody waits for ever: without an answer, the runtime of the owner is going down.
impl Drop for Job {
    fn drop(&mut self) {
        self.shared.answer(|| Err(closed()));
    }
}

impl Shared {
    /// Only the first answer counts, and who does not wait is not answered.
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
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves to the answer.
pub(super) struct Answered(Arc<Shared>);

impl Answered {
    /// Waits no more. Whether the answer has not come.
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

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the connection to RabbitMQ was closed by this program; publish before closing")
}
