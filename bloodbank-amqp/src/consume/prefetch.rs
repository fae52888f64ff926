//! The prefetch of a consumer, which changes in steps.
//!
//! *Up from one.* A message may kill the connection, and every message in flight at that moment loses one of its remaining deliveries.
//! Therefore a consumer on a connection after short-lived ones starts with one message at a time. Messages that were in flight come
//! first: after [`FEW`] harmless ones the consumer takes a few at a time, and after twice its prefetch it takes all. A message that
//! kills the connection is then one of a few, and on the next connection it comes alone.
//!
//! *Up to the most.* What is sent ahead waits in this process while others may have nothing to do, and has to be acknowledged within
//! the time that the broker allows; but the broker is idle for as long as its answer to an acknowledgement takes. So a consumer
//! begins with few, and one that takes them several times within [`QUICKLY`] gets the most, unless its messages are large.
//!
//! RabbitMQ fixes the prefetch of a consumer when it begins: a step is another consumer on another channel. What is still on the way to
//! the first one when it is cancelled is lost to it, and would come again, behind what the second one gets (seen on quorum queues).
//! Therefore settlements are held back before a step, until everything is here that the broker sends without them.

use std::{
    pin::Pin,
    sync::Arc,
    task::Context,
    time::{Duration, Instant},
};

use tokio::time::{Sleep, sleep, sleep_until};

use crate::{consume::acker::Acker, session::Session};

/// The prefetch of the second step, and the number of harmless messages that lead to it.
const FEW: u16 = 8;
/// The number of times that a quick consumer takes its prefetch within [`QUICKLY`].
const TIMES: u32 = 4;
const QUICKLY: Duration = Duration::from_millis(100);
/// The time between two looks whether everything is here, and the number of looks.
const LOOK: Duration = Duration::from_millis(2);
const LOOKS: u32 = 20;
/// The number of bytes that may be sent ahead to a quick consumer, as its messages are on average.
const MOST_BYTES: usize = 8 << 20;

/// The number of deliveries that may be unsettled: at first, and once they are settled quickly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Prefetch {
    pub(crate) first: u16,
    pub(crate) most: u16,
}

/// The levels of the prefetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PrefetchLevel {
    One,
    Few,
    All,
    Most,
}

impl PrefetchLevel {
    /// The level of the first consumer on a connection.
    pub(super) fn first(session: &Session) -> Self {
        if session.slow_start_until().is_some() { Self::One } else { Self::All }
    }

    pub(super) fn prefetch(self, Prefetch { first, most }: Prefetch) -> u16 {
        match self {
            Self::One => 1,
            Self::Few => FEW.min(first),
            Self::All => first,
            Self::Most => most,
        }
    }
}

/// The session in which the next consumer may start at a level.
pub(super) type NextLevel = (Arc<Session>, PrefetchLevel);

/// The progress of a consumer towards the next level.
pub(super) struct Step {
    progress: Progress,
    /// The prefetch of this level.
    prefetch: u16,
    holding: Option<Holding>,
}

enum Progress {
    Slow(SlowStart),
    Up(Quickness),
}

/// Settlements are held back, until everything is here that the broker sends without them.
struct Holding {
    look: Pin<Box<Sleep>>,
    looks: u32,
}

impl Step {
    /// The step that follows a level; `None` after the last.
    pub(super) fn from(level: PrefetchLevel, prefetch: Prefetch, session: &Arc<Session>) -> Option<Self> {
        let slow = |next, harmless| {
            let until = session.slow_start_until().unwrap_or_else(tokio::time::Instant::now);
            Progress::Slow(SlowStart { next, harmless, until: Box::pin(sleep_until(until)) })
        };
        let progress = match level {
            PrefetchLevel::One => slow(PrefetchLevel::Few, u32::from(FEW)),
            PrefetchLevel::Few => slow(PrefetchLevel::All, 2 * u32::from(prefetch.first)),
            PrefetchLevel::All if prefetch.first < prefetch.most => Progress::Up(Quickness::new(prefetch)),
            PrefetchLevel::All | PrefetchLevel::Most => return None,
        };
        Some(Self { progress, prefetch: level.prefetch(prefetch), holding: None })
    }

    /// Counts a message that was handed out.
    pub(super) fn handed_out(&mut self, bytes: usize) {
        match &mut self.progress {
            Progress::Slow(slow) => slow.harmless = slow.harmless.saturating_sub(1),
            Progress::Up(quickness) => quickness.handed_out(bytes),
        }
    }

    /// Whether the consumer may be replaced by one with a larger prefetch; `last` is the tag of the last delivery that was handed
    /// out.
    pub(super) fn is_due(&mut self, acker: &Acker, last: u64, context: &mut Context<'_>) -> bool {
        if self.holding.is_none() {
            let is_over = match &mut self.progress {
                Progress::Slow(slow) => slow.is_over(context),
                Progress::Up(quickness) => quickness.is_quick(Instant::now),
            };
            if is_over {
                acker.hold();
                self.holding = Some(Holding { look: Box::pin(sleep(LOOK)), looks: 0 });
            }
        }
        let Some(holding) = &mut self.holding else { return false };
        loop {
            if last.saturating_sub(acker.sent()) >= u64::from(self.prefetch) {
                return true;
            }
            if holding.look.as_mut().poll(context).is_pending() {
                return false;
            }
            holding.looks += 1;
            if holding.looks == LOOKS {
                // The queue is empty, or nearly.
                break;
            }
            holding.look.as_mut().reset(tokio::time::Instant::now() + LOOK);
        }
        if matches!(self.progress, Progress::Slow(_)) {
            return true;
        }
        acker.go_on();
        self.holding = None;
        false
    }

    /// The level of the next consumer.
    pub(super) fn next(&self) -> PrefetchLevel {
        match &self.progress {
            Progress::Slow(slow) if slow.harmless == 0 => slow.next,
            Progress::Slow(_) => PrefetchLevel::All,
            Progress::Up(_) => PrefetchLevel::Most,
        }
    }
}

struct SlowStart {
    next: PrefetchLevel,
    /// The number of messages that must still be handed out without harm before the next level.
    harmless: u32,
    /// The moment at which the slow start ends in any case.
    until: Pin<Box<Sleep>>,
}

impl SlowStart {
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        self.harmless == 0 || self.until.as_mut().poll(context).is_ready()
    }
}

/// Notices that a consumer is quick.
struct Quickness {
    prefetch: Prefetch,
    since: Instant,
    /// The number of messages that were handed out since then, and their bytes.
    taken: u32,
    bytes: usize,
}

impl Quickness {
    fn new(prefetch: Prefetch) -> Self {
        Self { prefetch, since: Instant::now(), taken: 0, bytes: 0 }
    }

    fn handed_out(&mut self, bytes: usize) {
        self.taken += 1;
        self.bytes += bytes;
    }

    /// Whether it is quick, now that it has taken its prefetch several times; counts anew then.
    fn is_quick(&mut self, now: impl FnOnce() -> Instant) -> bool {
        if self.taken < TIMES * u32::from(self.prefetch.first) {
            return false;
        }
        let now = now();
        let is_small = self.bytes / self.taken as usize * usize::from(self.prefetch.most) <= MOST_BYTES;
        let is_quick = is_small && now - self.since <= QUICKLY;
        (self.since, self.taken, self.bytes) = (now, 0, 0);
        is_quick
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_quick_after(messages: u32, bytes: usize, took: Duration) -> bool {
        let mut quickness = Quickness::new(Prefetch { first: 16, most: 1024 });
        let now = quickness.since + took;
        (0..messages).for_each(|_| quickness.handed_out(bytes));
        quickness.is_quick(|| now)
    }

    #[test]
    fn who_takes_the_prefetch_several_times_in_little_time_is_quick() {
        assert!(is_quick_after(64, 700, QUICKLY));
        assert!(!is_quick_after(63, 700, QUICKLY), "not yet");
        assert!(!is_quick_after(64, 700, QUICKLY + Duration::from_millis(1)));
        assert!(is_quick_after(64, 8 << 10, QUICKLY), "8 MiB at most");
        assert!(!is_quick_after(64, (8 << 10) + 1, QUICKLY), "messages that are large");
    }
}
