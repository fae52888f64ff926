//! The clock of this machine, against those of others.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Finding, State, finding};

/// What another clock says, or why there is none to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OtherClock {
    /// So far it is ahead of ours.
    Ahead(&'static str, TimeDelta),
    /// Something that happened no later than now.
    Past(&'static str, DateTime<Utc>),
    None(&'static str),
}

impl OtherClock {
    /// What a clock said at some moment between these two of ours.
    pub(super) fn said(name: &'static str, before: DateTime<Utc>, time: DateTime<Utc>, after: DateTime<Utc>) -> Self {
        Self::Ahead(name, time - (before + (after - before) / 2))
    }
}

/// Clocks that are no further apart are not told from each other.
const TOLERATED: TimeDelta = TimeDelta::seconds(2);
/// 2025-01-01: no clock was ever set that is before.
const THIS_WAS_WRITTEN: i64 = 1_735_689_600;
const REMEDY: &str = "set the clocks, for example with `timedatectl set-ntp true`";

pub(super) fn look(now: DateTime<Utc>, others: &[OtherClock]) -> Finding {
    let says = format!("says {}", now.format("%Y-%m-%d %H:%M:%S UTC"));
    if now.timestamp() < THIS_WAS_WRITTEN {
        return finding("clock", State::Broken, format!("{says}, which is long ago; {REMEDY}"));
    }
    let mut state = State::Ok;
    let remarks = others.iter().map(|other| match other {
        OtherClock::None(name) => format!("{name} has none to compare it with"),
        OtherClock::Ahead(name, ahead) if ahead.abs() <= TOLERATED => format!("that of {name} agrees"),
        OtherClock::Ahead(name, ahead) => {
            state = State::Warning;
            let word = if *ahead > TimeDelta::zero() { "ahead" } else { "behind" };
            format!("that of {name} is {} {word}: {REMEDY}", span(*ahead))
        }
        OtherClock::Past(name, time) if *time - now <= TOLERATED => format!("{name} holds nothing later"),
        OtherClock::Past(name, time) => {
            state = State::Warning;
            format!("{name} holds events from {} later, so it went back: {REMEDY}", span(*time - now))
        }
    });
    let remarks: Vec<_> = std::iter::once(says).chain(remarks).collect();
    finding("clock", state, remarks.join("; "))
}

fn span(span: TimeDelta) -> humantime::FormattedDuration {
    let seconds = std::time::Duration::from_secs(span.num_seconds().unsigned_abs());
    humantime::format_duration(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn clocks_that_differ_are_named_with_the_remedy() {
        let look = |other: OtherClock| {
            let finding = look(at(0), &[other]);
            (finding.state, finding.says)
        };
        // In the middle of a round trip of ten seconds.
        assert_eq!(OtherClock::said("Redis", at(-5), at(0), at(5)), OtherClock::Ahead("Redis", TimeDelta::zero()));
        for (other, state, says) in [
            (OtherClock::Ahead("Redis", TimeDelta::milliseconds(-1900)), State::Ok, "that of Redis agrees"),
            (
                OtherClock::Ahead("Redis", TimeDelta::seconds(90)),
                State::Warning,
                "that of Redis is 1m 30s ahead: set the clocks",
            ),
            (
                OtherClock::Ahead("the gateway", TimeDelta::seconds(-3)),
                State::Warning,
                "that of the gateway is 3s behind",
            ),
            (OtherClock::Past("the file", at(1)), State::Ok, "the file holds nothing later"),
            (
                OtherClock::Past("the file", at(3600)),
                State::Warning,
                "the file holds events from 1h later, so it went back",
            ),
            (OtherClock::None("RabbitMQ"), State::Ok, "RabbitMQ has none to compare it with"),
        ] {
            let (found, said) = look(other);
            assert!(found == state && said.contains(says), "{said}");
        }
        assert_eq!(super::look(DateTime::from_timestamp(1000, 0).unwrap(), &[]).state, State::Broken);
    }
}
