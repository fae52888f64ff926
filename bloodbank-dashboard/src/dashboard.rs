//! What all pages share.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::data::{Activity, LetterCache, QueueCache, Sweeps};

/// The time in which only so many wrong tokens are accepted, from everybody together.
const ATTEMPTS_TIME: Duration = Duration::from_secs(60);
const MOST_ATTEMPTS: u32 = 20;

/// What all pages share.
#[derive(Default)]
pub(crate) struct Dashboard {
    pub(crate) activity: Activity,
    pub(crate) queues: QueueCache,
    pub(crate) letters: Arc<LetterCache>,
    pub(crate) sweeps: Sweeps,
    wrong_tokens: Mutex<Option<(Instant, u32)>>,
}

impl Dashboard {
    /// Whether somebody may try a token: not after too many wrong ones.
    pub(crate) fn may_try(&self) -> bool {
        let wrong = self.wrong_tokens.lock();
        wrong.is_none_or(|(since, count)| since.elapsed() > ATTEMPTS_TIME || count < MOST_ATTEMPTS)
    }

    /// Counts a wrong token.
    pub(crate) fn count_wrong_token(&self) {
        let mut wrong = self.wrong_tokens.lock();
        *wrong = match *wrong {
            Some((since, count)) if since.elapsed() <= ATTEMPTS_TIME => Some((since, count + 1)),
            _ => Some((Instant::now(), 1)),
        };
    }
}
