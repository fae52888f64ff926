//! How long to wait before the next attempt to connect.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// As long as the loss is younger than this, attempts follow each other quickly: a broker that restarts is soon back.
const FRESH: Duration = Duration::from_secs(60);
const FIRST_CAP: Duration = Duration::from_millis(100);
const FRESH_CAP: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(15);

/// The wait before attempt number `attempt` (the first is 0 and does not wait), `since` the connection was lost:
/// anything up to a limit that doubles, so that many clients do not come back at the same moment.
pub(super) fn wait(attempt: u32, since: Duration) -> Duration {
    limit(attempt, since).mul_f64(fraction())
}

fn limit(attempt: u32, since: Duration) -> Duration {
    if attempt == 0 {
        return Duration::ZERO;
    }
    let doubled = FIRST_CAP.saturating_mul(1 << (attempt - 1).min(16));
    if since < FRESH { doubled.min(FRESH_CAP) } else { doubled.min((since - FRESH).max(FRESH_CAP)).min(CAP) }
}

/// Anything from 0 to 1.
fn fraction() -> f64 {
    // A new hasher has random keys; that is random enough to spread attempts.
    let random = RandomState::new().hash_one(0_u8);
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_made_at_once_and_later_ones_spread_out() {
        assert_eq!(wait(0, Duration::ZERO), Duration::ZERO);
        for attempt in 1..200 {
            assert!(wait(attempt, Duration::from_secs(30)) <= Duration::from_secs(1));
            assert!(wait(attempt, Duration::from_secs(3_600)) <= Duration::from_secs(15));
        }
        assert_eq!(limit(100, Duration::from_secs(59)), Duration::from_secs(1));
        assert_eq!(limit(100, Duration::from_secs(3_600)), Duration::from_secs(15));
        let waits: Vec<Duration> = (0..20).map(|_| wait(50, Duration::from_secs(3_600))).collect();
        assert!(waits.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
