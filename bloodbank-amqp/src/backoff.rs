//! The delay before the next attempt to connect or to consume.

use std::time::Duration;

/// The age up to which a loss is recent and attempts follow each other quickly: a broker that restarts is soon back.
const RECENT: Duration = Duration::from_secs(60);
const FIRST_CAP: Duration = Duration::from_millis(100);
const RECENT_CAP: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(15);

/// The delay before attempt number `attempt`, counted from 0, which has none; `since` is the time since the loss. The delay is
/// random, up to a limit that doubles, so that many clients do not come back at the same moment.
pub(super) fn delay(attempt: u32, since: Duration) -> Duration {
    limit(attempt, since).mul_f64(fastrand::f64())
}

/// The longest possible delay.
fn limit(attempt: u32, since: Duration) -> Duration {
    if attempt == 0 {
        return Duration::ZERO;
    }
    let doubled = FIRST_CAP.saturating_mul(1 << (attempt - 1).min(16));
    if since < RECENT { doubled.min(RECENT_CAP) } else { doubled.min((since - RECENT).max(RECENT_CAP)).min(CAP) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_attempt_is_made_at_once_and_later_ones_spread_out() {
        assert_eq!(delay(0, Duration::ZERO), Duration::ZERO);
        for attempt in 1..200 {
            assert!(delay(attempt, Duration::from_secs(30)) <= Duration::from_secs(1));
            assert!(delay(attempt, Duration::from_secs(3_600)) <= Duration::from_secs(15));
        }
        assert_eq!(limit(100, Duration::from_secs(59)), Duration::from_secs(1));
        assert_eq!(limit(100, Duration::from_secs(3_600)), Duration::from_secs(15));
        let waits: Vec<Duration> = (0..20).map(|_| delay(50, Duration::from_secs(3_600))).collect();
        assert!(waits.windows(2).any(|pair| pair[0] != pair[1]));
    }
}
