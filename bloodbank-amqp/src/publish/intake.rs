//! Where callers leave their messages for the owner of the channel.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use futures_util::future::{BoxFuture, ready};

use crate::publish::job::{Answered, Job, closed};
use bloodbank_core::{
    Result,
    message::{Outgoing, Published},
};

/// Below that many abandoned messages it is not worth looking for them.
const SWEEP: usize = 64;

/// A queue in the order of the calls. Everybody in it waits: that is the backpressure, and it holds no more
/// messages than there are callers.
#[derive(Default)]
pub(super) struct Intake {
    state: Mutex<State>,
    /// How many callers gave up since the last sweep.
    abandoned: AtomicUsize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    closed: bool,
    /// The owner, when it sleeps and has room.
    owner: Option<Waker>,
}

impl Intake {
    pub(super) fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        match self.push(message) {
            Ok(answered) => Box::pin(Ticket { answered, intake: self }),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    fn push(&self, message: Outgoing) -> Result<Answered> {
        let (job, answered) = Job::new(message);
        let owner = {
            let mut state = self.lock();
            if state.closed {
                return Err(closed());
            }
            self.sweep(&mut state);
            state.queue.push_back(job);
            state.owner.take()
        };
        if let Some(owner) = owner {
            owner.wake();
        }
        Ok(answered)
    }

    /// Takes up to `room` messages; when there is none, says so and wakes the owner for the next one.
    pub(super) fn take(&self, room: usize, into: &mut VecDeque<Job>, context: &Context<'_>) -> bool {
        let mut state = self.lock();
        let taken = room.min(state.queue.len());
        if taken == 0 {
            state.owner = Some(context.waker().clone());
            return false;
        }
        into.extend(state.queue.drain(..taken));
        true
    }

    /// Closed, and nothing is left.
    pub(super) fn is_finished(&self) -> bool {
        let state = self.lock();
        state.closed && state.queue.is_empty()
    }

    pub(super) fn close(&self) {
        let owner = {
            let mut state = self.lock();
            state.closed = true;
            state.owner.take()
        };
        if let Some(owner) = owner {
            owner.wake();
        }
    }

    /// Closes it and returns what is left.
    pub(super) fn drain(&self) -> VecDeque<Job> {
        let mut state = self.lock();
        state.closed = true;
        std::mem::take(&mut state.queue)
    }

    /// While the broker is away, callers come, wait and give up: what they left must not pile up.
    fn sweep(&self, state: &mut State) {
        let abandoned = self.abandoned.load(Ordering::Relaxed);
        if abandoned >= SWEEP && abandoned * 2 >= state.queue.len() {
            self.abandoned.store(0, Ordering::Relaxed);
            state.queue.retain(|job| !job.is_abandoned());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the answer, and counts when it does not wait any more.
struct Ticket<'a> {
    answered: Answered,
    intake: &'a Intake,
}

impl Future for Ticket<'_> {
    type Output = Result<Published>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answered).poll(context)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if self.answered.give_up() {
            self.intake.abandoned.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{FutureExt, future::join_all};

    use super::*;
    use bloodbank_core::message::Properties;

    fn message(number: usize) -> Outgoing {
        Outgoing {
            exchange: "".into(),
            routing_key: number.to_string().into(),
            properties: Properties::default(),
            body: Bytes::new(),
            mandatory: true,
        }
    }

    fn take_all(intake: &Intake) -> Vec<String> {
        let mut taken = VecDeque::new();
        intake.take(usize::MAX, &mut taken, &Context::from_waker(Waker::noop()));
        taken.iter().map(|job| job.message().routing_key.to_string()).collect()
    }

    #[test]
    fn the_order_is_that_of_the_calls() {
        let intake = Intake::default();
        let mut callers: Vec<_> = (0..100).map(|n| intake.publish(message(n))).collect();
        for caller in callers.iter_mut().rev() {
            assert!(caller.as_mut().now_or_never().is_none());
        }
        let expected: Vec<_> = (0..100).map(|n: usize| n.to_string()).collect();
        assert_eq!(take_all(&intake), expected);
    }

    #[test]
    fn callers_that_give_up_leave_nothing_behind() {
        let intake = Intake::default();
        let mut stays = intake.publish(message(0));
        assert!(stays.as_mut().now_or_never().is_none());
        for n in 1..100_000 {
            assert!(intake.publish(message(n)).now_or_never().is_none());
        }
        let left = take_all(&intake);
        assert!(left.len() <= 2 * SWEEP + 2, "{}", left.len());
        assert_eq!(left[0], "0");
    }

    #[test]
    fn a_closed_one_takes_nothing() {
        let intake = Intake::default();
        intake.close();
        let answers = join_all([intake.publish(message(0))]).now_or_never().unwrap();
        assert!(answers[0].is_err());
        assert!(intake.is_finished());
    }
}
