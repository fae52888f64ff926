//! The queue between callers and the owner of the channel.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
};

use futures_util::future::{BoxFuture, ready};
use parking_lot::{Mutex, MutexGuard};

use crate::publish::request::{Answered, Request, closed};
use bloodbank_core::{
    Result,
    message::{Outgoing, Published},
};

/// The number of abandoned requests below which they are not searched for.
const SWEEP: usize = 64;

/// The requests in the order of the calls. Every caller waits for the answer; that is the backpressure, and the queue holds no
/// more messages than there are callers.
#[derive(Default)]
pub(super) struct RequestQueue {
    state: Mutex<State>,
    /// The number of callers that stopped waiting since the last sweep.
    abandoned: AtomicUsize,
}

/// The queue and its owner.
#[derive(Default)]
struct State {
    queue: VecDeque<Request>,
    closed: bool,
    /// The waker of the owner, while the owner sleeps and has room.
    owner: Option<Waker>,
}

impl RequestQueue {
    pub(super) fn publish(&self, message: Outgoing) -> BoxFuture<'_, Result<Published>> {
        match self.push(message) {
            Ok(answered) => Box::pin(Ticket { answered, requests: self }),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    fn push(&self, message: Outgoing) -> Result<Answered> {
        let (request, answered) = Request::new(message);
        self.add(request)?;
        Ok(answered)
    }

    /// Adds a request to a queue that is not closed.
    pub(super) fn add(&self, request: Request) -> Result<()> {
        let owner = {
            let mut state = self.lock();
            if state.closed {
                return Err(closed());
            }
            self.sweep(&mut state);
            state.queue.push_back(request);
            state.owner.take()
        };
        if let Some(owner) = owner {
            owner.wake();
        }
        Ok(())
    }

    /// Takes up to `room` requests; `false` when there are none, and the next one then wakes the owner.
    pub(super) fn take(&self, room: usize, into: &mut VecDeque<Request>, context: &Context<'_>) -> bool {
        let mut state = self.lock();
        let taken = room.min(state.queue.len());
        if taken == 0 {
            state.owner = Some(context.waker().clone());
            return false;
        }
        into.extend(state.queue.drain(..taken));
        true
    }

    /// Whether the queue is closed and empty.
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

    /// Closes the queue and returns the remaining requests.
    pub(super) fn drain(&self) -> VecDeque<Request> {
        let mut state = self.lock();
        state.closed = true;
        std::mem::take(&mut state.queue)
    }

    /// Removes abandoned requests: while the broker is away, callers come, wait and leave, and their messages must not pile up.
    fn sweep(&self, state: &mut State) {
        let abandoned = self.abandoned.load(Ordering::Relaxed);
        if abandoned >= SWEEP && abandoned * 2 >= state.queue.len() {
            self.abandoned.store(0, Ordering::Relaxed);
            state.queue.retain(|request| !request.is_abandoned());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

/// A future of the answer that counts as abandoned when it is dropped before.
struct Ticket<'a> {
    answered: Answered,
    requests: &'a RequestQueue,
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
            self.requests.abandoned.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{FutureExt, future::join_all};

    use super::*;

    fn message(number: usize) -> Outgoing {
        Outgoing::new("", number.to_string(), Bytes::new()).mandatory()
    }

    fn take_all(requests: &RequestQueue) -> Vec<String> {
        let mut taken = VecDeque::new();
        requests.take(usize::MAX, &mut taken, &Context::from_waker(Waker::noop()));
        taken.iter().map(|request| request.message().routing_key.to_string()).collect()
    }

    #[test]
    fn the_order_is_that_of_the_calls() {
        let requests = RequestQueue::default();
        let mut callers: Vec<_> = (0..100).map(|n| requests.publish(message(n))).collect();
        for caller in callers.iter_mut().rev() {
            assert!(caller.as_mut().now_or_never().is_none());
        }
        let expected: Vec<_> = (0..100).map(|n: usize| n.to_string()).collect();
        assert_eq!(take_all(&requests), expected);
    }

    #[test]
    fn callers_that_stop_waiting_leave_nothing_behind() {
        let requests = RequestQueue::default();
        let mut stays = requests.publish(message(0));
        assert!(stays.as_mut().now_or_never().is_none());
        for n in 1..100_000 {
            assert!(requests.publish(message(n)).now_or_never().is_none());
        }
        let left = take_all(&requests);
        assert!(left.len() <= 2 * SWEEP + 2, "{}", left.len());
        assert_eq!(left[0], "0");
    }

    #[test]
    fn a_closed_queue_refuses_requests() {
        let requests = RequestQueue::default();
        requests.close();
        let answers = join_all([requests.publish(message(0))]).now_or_never().unwrap();
        assert!(answers[0].is_err());
        assert!(requests.is_finished());
    }
}
