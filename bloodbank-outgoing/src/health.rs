//! Whether a webhook gets through.

use std::time::Duration;

use bloodbank_core::{Context, message::names};
use chrono::{DateTime, Utc};
use parking_lot::Mutex;

/// Whether a webhook gets through, since when not, and whether it is switched off.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failing_since: Option<DateTime<Utc>>,
    is_disabled: bool,
}

impl Health {
    pub(crate) fn is_disabled(&self) -> bool {
        self.0.lock().is_disabled
    }

    pub(crate) fn succeeded(&self) {
        self.0.lock().failing_since = None;
    }

    /// Notes a failure; returns since when nothing has got through, where that is long enough to give up, once.
    pub(crate) fn failed(&self, first: DateTime<Utc>, patience: Duration) -> Option<DateTime<Utc>> {
        let mut state = self.0.lock();
        let since = *state.failing_since.get_or_insert(first);
        let is_over = (Utc::now() - since).to_std().is_ok_and(|failing| failing >= patience);
        (is_over && !state.is_disabled).then(|| {
            state.is_disabled = true;
            since
        })
    }

    /// Takes back that it was switched off.
    pub(crate) fn enable(&self) {
        self.0.lock().is_disabled = false;
    }
}

/// Since when an event has failed: the header of its first failure survives a restart. One that was redriven begins anew.
pub(crate) fn first_failure(context: &Context) -> DateTime<Utc> {
    let headers = context.headers();
    let first = headers.text(names::FIRST_FAILED).filter(|_| headers.get(names::REDRIVEN).is_none());
    first.and_then(|time| DateTime::parse_from_rfc3339(time).ok()).map_or_else(Utc::now, |time| time.to_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_switched_off_once_when_nothing_gets_through_for_too_long() {
        let health = Health::default();
        let (now, hour) = (Utc::now(), Duration::from_secs(3600));
        let before = |minutes| now - chrono::TimeDelta::minutes(minutes);
        assert_eq!(health.failed(before(30), hour), None);
        // It has failed since the first failure, not since that of this event.
        assert_eq!(health.failed(before(90), hour), None);
        health.succeeded();
        assert_eq!(health.failed(before(90), hour), Some(before(90)));
        assert!(health.is_disabled());
        assert_eq!(health.failed(before(90), hour), None, "said twice");
        health.enable();
        assert_eq!(health.failed(before(90), hour), Some(before(90)));
    }
}
