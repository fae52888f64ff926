//! The slow start of a consumer after short-lived connections: a small prefetch that grows.
//!
//! A message may kill the connection, and every message in flight at that moment loses one of its remaining deliveries. Therefore
//! a consumer starts with one message at a time. Messages that were in flight come first: after [`FEW`] harmless ones the consumer
//! takes a few at a time, and after twice its prefetch it takes all. A message that kills the connection is then one of a few, and
//! on the next connection it comes alone.

use std::{pin::Pin, sync::Arc, task::Context};

use tokio::time::{Sleep, sleep_until};

use crate::session::Session;

/// The prefetch of the second step, and the number of harmless messages that lead to it.
const FEW: u16 = 8;

/// The steps of the prefetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PrefetchLevel {
    One,
    Few,
    All,
}

impl PrefetchLevel {
    /// The level of the first consumer on a connection.
    pub(super) fn first(session: &Session) -> Self {
        if session.slow_start_until().is_some() { Self::One } else { Self::All }
    }

    /// The prefetch of this level; `all` is that of the subscriber.
    pub(super) fn prefetch(self, all: u16) -> u16 {
        match self {
            Self::One => 1,
            Self::Few => FEW.min(all),
            Self::All => all,
        }
    }
}

/// The session in which the next consumer may start at a level.
pub(super) type NextLevel = (Arc<Session>, PrefetchLevel);

/// The progress of a consumer towards the next level.
pub(super) struct SlowStart {
    next: PrefetchLevel,
    /// The number of messages that must still be handed out without harm before the next level.
    harmless: u32,
    /// The moment at which the slow start ends in any case.
    until: Pin<Box<Sleep>>,
}

impl SlowStart {
    /// The progress at a level; `None` for a consumer that takes all.
    pub(super) fn new(session: &Arc<Session>, level: PrefetchLevel, prefetch: u16) -> Option<Self> {
        let (next, harmless) = match level {
            PrefetchLevel::One => (PrefetchLevel::Few, u32::from(FEW)),
            PrefetchLevel::Few => (PrefetchLevel::All, 2 * u32::from(prefetch)),
            PrefetchLevel::All => return None,
        };
        let until = session.slow_start_until().unwrap_or_else(tokio::time::Instant::now);
        Some(Self { next, harmless, until: Box::pin(sleep_until(until)) })
    }

    /// Counts a message that was handed out.
    pub(super) fn handed_out(&mut self) {
        self.harmless = self.harmless.saturating_sub(1);
    }

    /// Whether the consumer may be replaced by one with a larger prefetch.
    pub(super) fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.harmless == 0 || self.until.as_mut().poll(context).is_ready()
    }

    /// The level of the next consumer.
    pub(super) fn next(&self) -> PrefetchLevel {
        if self.harmless == 0 { self.next } else { PrefetchLevel::All }
    }
}
