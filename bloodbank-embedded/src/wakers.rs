//! Consumers to wake once the lock is free: whoever is woken wants it at once.

use std::task::Waker;

/// Consumers to wake, once the lock is free. Nearly always there is one: that one needs no memory of its own.
#[derive(Default)]
pub(super) struct Wakers {
    first: Option<Waker>,
    rest: Vec<Waker>,
}

impl Wakers {
    pub(super) fn add(&mut self, waker: Option<Waker>) {
        match waker {
            None => {}
            Some(waker) if self.first.is_none() => self.first = Some(waker),
            Some(waker) => self.rest.push(waker),
        }
    }

    pub(super) fn wake(self) {
        for waker in self.first.into_iter().chain(self.rest) {
            waker.wake();
        }
    }
}
