//! After connections that died early, a consumer takes few messages at a time.
//!
//! One of them may be what kills the connection, and each that is on its way then has one delivery less left. So a consumer
//! begins with one at a time. What was on its way comes first: when some did no harm, it takes a few at a time, and when as
//! many did no harm as its whole window holds twice, all. Whatever kills the connection then is among a few, and after that
//! among the first ones, alone.

use std::{pin::Pin, sync::Arc, task::Context};

use tokio::time::{Sleep, sleep_until};

use crate::session::Session;

/// Some, and so many at a time are few.
const FEW: u16 = 8;

/// How many messages a consumer takes at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    One,
    Few,
    All,
}

impl Width {
    /// That of the first consumer on a connection.
    pub(super) fn first(session: &Session) -> Self {
        if session.caution().is_some() { Self::One } else { Self::All }
    }

    pub(super) fn prefetch(self, all: u16) -> u16 {
        match self {
            Self::One => 1,
            Self::Few => FEW.min(all),
            Self::All => all,
        }
    }
}

/// When a consumer may take more at a time.
pub(super) struct Caution {
    next: Width,
    /// After so many messages that did no harm,
    harmless: u32,
    /// and at this time at the latest.
    until: Pin<Box<Sleep>>,
}

impl Caution {
    /// `None` for one that takes all.
    pub(super) fn new(session: &Arc<Session>, width: Width, prefetch: u16) -> Option<Self> {
        let (next, harmless) = match width {
            Width::One => (Width::Few, u32::from(FEW)),
            Width::Few => (Width::All, 2 * u32::from(prefetch)),
            Width::All => return None,
        };
        let until = session.caution().unwrap_or_else(tokio::time::Instant::now);
        Some(Self { next, harmless, until: Box::pin(sleep_until(until)) })
    }

    pub(super) fn handed_out(&mut self) {
        self.harmless = self.harmless.saturating_sub(1);
    }

    pub(super) fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.harmless == 0 || self.until.as_mut().poll(context).is_ready()
    }

    /// How wide the next consumer may be.
    pub(super) fn next(&self) -> Width {
        if self.harmless == 0 { self.next } else { Width::All }
    }
}
