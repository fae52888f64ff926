//! The outbox, as the relay of this process tells of it.

use bloodbank_probes::render_metrics;
use chrono::TimeDelta;

/// What the relay of this process knows of the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Outbox {
    /// The events that wait, as they were counted within the last seconds.
    pub(crate) waiting: u64,
    /// The age of the oldest of them.
    pub(crate) oldest: TimeDelta,
    /// The events that were published, and those that were parked, since the process began.
    pub(crate) published: u64,
    pub(crate) parked: u64,
}

impl Outbox {
    /// What the relay of this process knows; `None`: the process runs no relay.
    pub(crate) fn of_process() -> Option<Self> {
        Self::read(&render_metrics().unwrap_or_default())
    }

    /// Reads the text of Prometheus.
    fn read(text: &str) -> Option<Self> {
        let mut found = None;
        for line in text.lines() {
            let Some((name, value)) = line.strip_prefix("bloodbank_outbox_").and_then(|line| line.rsplit_once(' '))
            else {
                continue;
            };
            let Ok(value) = value.parse::<f64>() else { continue };
            let outbox: &mut Self = found.get_or_insert_default();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of rows are small")]
            let number = value.max(0.0) as u64;
            match name {
                "rows" => outbox.waiting = number,
                "oldest_seconds" => outbox.oldest = TimeDelta::seconds(number.cast_signed()),
                "published_total" => outbox.published = number,
                "parked_total" => outbox.parked = number,
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_of_a_relay_are_read() {
        let text = "# TYPE bloodbank_outbox_rows gauge\nbloodbank_outbox_rows 3\nbloodbank_outbox_oldest_seconds 61.5\n\
                    bloodbank_outbox_published_total 7\nbloodbank_outbox_parked_total 1\n";
        let expected = Outbox { waiting: 3, oldest: TimeDelta::seconds(61), published: 7, parked: 1 };
        assert_eq!(Outbox::read(text), Some(expected));
        assert_eq!(Outbox::read("# HELP bloodbank_outbox_rows Events.\nbloodbank_handled_total 3\n"), None);
    }
}
